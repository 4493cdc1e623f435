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
// (doc/spec/address-record.md, 3).

// leastRecord is the smallest record written: one size for names and for the cards of people with one device.
const leastRecord = 2 << 10

// pack gives the plaintext of a record: the length of the packed card, the packed card, and zeros up to one of the record sizes.
func (c SignedCard) pack() ([]byte, error) {
	packed := bytes.NewBuffer(make([]byte, 0, 2<<10))
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
	return pad(packed.Bytes())
}

// store gives the plaintext of a record that holds raw, of less than 64 KiB, in one stored block (RFC 1951, 3.2.4): unlike what a compressor
// makes, these octets follow from raw alone.
func store(raw []byte) ([]byte, error) {
	packed := []byte{1} // the last block, stored
	packed = binary.LittleEndian.AppendUint16(packed, uint16(len(raw)))
	packed = binary.LittleEndian.AppendUint16(packed, ^uint16(len(raw)))
	return pad(append(packed, raw...))
}

// pad puts the length before what is packed and zeros behind it.
func pad(packed []byte) ([]byte, error) {
	for _, size := range recordSizes {
		if size >= leastRecord && recordOverhead+2+len(packed) <= size {
			text := make([]byte, size-recordOverhead)
			binary.BigEndian.PutUint16(text, uint16(len(packed)))
			copy(text[2:], packed)
			return text, nil
		}
	}
	return nil, fmt.Errorf("%d octets do not fit a record once packed", len(packed))
}

// unpack undoes pack and store. What comes out has at most maxCard octets, whatever went in.
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
		return nil, fmt.Errorf("unpacks to more than %d octets", maxCard)
	case packed.Len() > 0:
		return nil, errors.New("octets after what is packed")
	}
	return raw, nil
}
