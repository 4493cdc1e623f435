package overlay

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrameLimit(t *testing.T) {
	b, err := frame{frameRequest, maxForwards, make([]byte, frameLimit-2)}.marshal()
	if err != nil {
		t.Fatalf("longest frame: %v", err)
	}
	if f, err := readFrame(iotest.OneByteReader(bytes.NewReader(b))); err != nil || len(f.body) != frameLimit-2 {
		t.Errorf("longest frame read: %d octets, %v", len(f.body), err)
	}
	if _, err := (frame{frameRequest, maxForwards, make([]byte, frameLimit-1)}).marshal(); err == nil {
		t.Error("frame too long was marshalled")
	}
	// The length alone is enough to refuse.
	if _, err := readFrame(bytes.NewReader([]byte{0x81, 0xe0, 0x12})); err != errFrameTooLong {
		t.Errorf("length %d: got %v, want %v", frameLimit+1, err, errFrameTooLong)
	}
}

// A claimed length costs nothing until the octets come.
func TestFrameAllocation(t *testing.T) {
	claim := []byte{0x80, 0xe0, 0x12, byte(frameRequest), 0}
	octets := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			readFrame(bytes.NewReader(claim))
		}
	}).AllocedBytesPerOp()
	if octets > 8<<10 {
		t.Errorf("%d octets allocated for a frame of five", octets)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, fr := range []frame{{frameRequest, 128, []byte("body")}, {frameTaken, 0, nil}, {framePush, 1, make([]byte, 200)}} {
		b, err := fr.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x82, 0x00, 1, 2})
	f.Add([]byte{0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		fr, err := readFrame(r)
		if err != nil {
			if diff := cmp.Diff(frame{}, fr, cmp.AllowUnexported(frame{})); diff != "" {
				t.Errorf("a frame with an error: %s", diff)
			}
			return
		}
		out, err := fr.marshal()
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r)
		if read := b[:len(b)-len(rest)]; !bytes.Equal(out, read) {
			t.Errorf("marshalled %x from %x", out, read)
		}
	})
}
