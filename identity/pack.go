package identity

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The certificates of a card repeat its address many times, so records are packed: a card of 2 KiB fits a record of 2 KiB
// (doc/spec/record.md, 3).

// pack gives the plaintext of a record: the length of the packed card, the packed card, and zeros up to one of the record sizes.
func (c SignedCard) pack() ([]byte, error) {
	packed := bytes.NewBuffer(make([]byte, 2, 2<<10))
	w, err := flate.NewWriter(packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(c.raw); err != nil {
		return nil, fmt.Errorf("pack card: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack card: %w", err)
	}
	for _, size := range recordSizes {
		if recordOverhead+packed.Len() <= size {
			text := make([]byte, size-recordOverhead)
			copy(text, packed.Bytes())
			binary.BigEndian.PutUint16(text, uint16(packed.Len()-2))
			return text, nil
		}
	}
	return nil, fmt.Errorf("packed card of %d octets does not fit a record", packed.Len())
}

// unpack undoes pack. What comes out has at most maxCard octets, whatever went in.
func unpack(text []byte) ([]byte, error) {
	n := int(binary.BigEndian.Uint16(text))
	if n > len(text)-2 || len(bytes.Trim(text[2+n:], "\x00")) > 0 {
		return nil, errors.New("bad padding")
	}
	packed := bytes.NewReader(text[2 : 2+n])
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(packed), maxCard+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack: %w", err)
	case len(raw) > maxCard:
		return nil, fmt.Errorf("unpacked card is larger than %d octets", maxCard)
	case packed.Len() > 0:
		return nil, errors.New("octets after the packed card")
	}
	return raw, nil
}
