package overlay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// frameLimit is how many octets may follow a frame's length (doc/spec/limits.md).
const frameLimit = 300 << 10

// maxForwards is how often a request may be passed on by devices on its way, as
// sent (RFC 3859 section 3.4.4, RFC 3860 section 3.4.3). Relayed circuits do not
// count.
const maxForwards = 128

// frameType is what a frame is (doc/spec/frames.md section 2).
type frameType byte

const (
	frameRequest  frameType = 1
	frameResponse frameType = 2
	framePush     frameType = 3
	frameTaken    frameType = 4
	frameRefused  frameType = 5
)

// A frame is what one side of an exchange says.
type frame struct {
	kind     frameType
	forwards byte
	body     []byte // of request, response, push: a sealed object
}

var (
	errFrameTooLong  = fmt.Errorf("frame longer than %d octets", frameLimit)
	errFrameTooShort = errors.New("frame without type and max-forwards")
	errFrameLength   = errors.New("frame length is not a shortest uvarint")
	errFrameType     = errors.New("unknown frame type")
)

// marshal fails only on a body that no frame can hold.
func (f frame) marshal() ([]byte, error) {
	n := 2 + len(f.body)
	if n > frameLimit {
		return nil, errFrameTooLong
	}
	b := make([]byte, 0, binary.MaxVarintLen32+n)
	b = binary.AppendUvarint(b, uint64(n))
	b = append(b, byte(f.kind), f.forwards)
	return append(b, f.body...), nil
}

// readFrame reads one frame. Memory grows with what arrives, not with what the
// length claims.
func readFrame(r io.Reader) (frame, error) {
	n, err := readLength(r)
	if err != nil {
		return frame{}, err
	}
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, fmt.Errorf("frame head: %w", err)
	}
	f := frame{kind: frameType(head[0]), forwards: head[1]}
	if f.kind < frameRequest || f.kind > frameRefused {
		return frame{}, errFrameType
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(n-len(head))); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, fmt.Errorf("frame body: %w", err)
	}
	f.body = body.Bytes()
	return f, nil
}

func readLength(r io.Reader) (int, error) {
	var n uint64
	var b [1]byte
	for i := range 3 { // three octets hold more than frameLimit
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, fmt.Errorf("frame length: %w", err)
		}
		n |= uint64(b[0]&0x7f) << (7 * i)
		if b[0] < 0x80 {
			switch {
			case b[0] == 0 && i > 0:
				return 0, errFrameLength
			case n > frameLimit:
				return 0, errFrameTooLong
			case n < 2:
				return 0, errFrameTooShort
			}
			return int(n), nil
		}
	}
	return 0, errFrameTooLong
}
