package overlay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay/overlaytest"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// raw is a frame as a hostile device would write it.
func raw(kind byte, body []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(body)+2))
	return append(append(b, kind, 128), body...)
}

func TestHostileRequests(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		mallory, stop := on(t, net, "mallory", alice)
		defer stop()
		time.Sleep(time.Second)
		honest := mallory.request(t, alice, "hello").Bytes()
		epoch := mallory.publication(t, identity.NewEpoch(), "x").Bytes()
		tests := []struct {
			name, protocol string
			send           []byte
			open           bool // the stream is left open
		}{
			{"longest length", "/kith/im/1", bytes.Repeat([]byte{0xff}, 20), true},
			{"one octet too long", "/kith/im/1", raw(1, make([]byte, 300<<10-1)), true},
			{"length not shortest", "/kith/im/1", []byte{0x82, 0x00, 1, 128}, true},
			{"length zero", "/kith/im/1", []byte{0}, true},
			{"length one", "/kith/im/1", []byte{1, 1}, true},
			{"truncated length", "/kith/im/1", []byte{0x80}, false},
			{"truncated body", "/kith/im/1", raw(1, honest)[:100], false},
			{"nothing", "/kith/im/1", nil, false},
			{"unknown type", "/kith/im/1", raw(6, honest), true},
			{"type zero", "/kith/im/1", raw(0, honest), true},
			{"response unasked", "/kith/im/1", raw(2, honest), true},
			{"push of a message", "/kith/im/1", raw(3, epoch), true},
			{"push of a device", "/kith/device/1", raw(3, epoch), true},
			{"response of a device unasked", "/kith/device/1", raw(2, honest), true},
			{"push sealed to a device", "/kith/presence/1", raw(3, honest), true},
			{"request sealed to an audience", "/kith/im/1", raw(1, epoch), true},
			{"garbage", "/kith/presence/1", raw(1, []byte("garbage")), true},
			{"empty body", "/kith/presence/1", raw(1, nil), true},
			{"octets after the object", "/kith/im/1", raw(1, append(honest[:len(honest):len(honest)], 0)), true},
			{"left open", "/kith/im/1", raw(1, honest)[:100], true},
			{"left open at once", "/kith/im/1", nil, true},
		}
		for _, test := range tests {
			func() {
				s, err := mallory.Host().NewStream(t.Context(), alice.Host().ID(), protocol.ID(test.protocol))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Reset()
				began := time.Now()
				s.Write(test.send)
				if !test.open {
					s.CloseWrite()
				}
				s.SetReadDeadline(time.Now().Add(time.Minute))
				got, err := io.ReadAll(s)
				if len(got) > 0 || err == nil {
					t.Errorf("%s: answered %x, %v, want a reset", test.name, got, err)
				}
				if took := time.Since(began); took > 16*time.Second {
					t.Errorf("%s: reset after %v", test.name, took)
				}
			}()
		}
		if asked, heard := alice.calls(); asked+heard > 0 {
			t.Errorf("the handler was asked %d and heard %d times", asked, heard)
		}
		if n := alice.Offences(); n < 1 || n > len(tests) {
			t.Errorf("%d offences noted", n)
		}
		if _, err := mallory.Exchange(t.Context(), "/kith/im/1", alice.full(), mallory.request(t, alice, "sorry")); err != nil {
			t.Errorf("honest afterwards: %v", err)
		}
	})
}

func TestHostileResponses(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		mallory, stop := on(t, net, "mallory")
		defer stop()
		request := alice.request(t, mallory, "hello")
		for name, response := range map[string][]byte{
			"too long":    bytes.Repeat([]byte{0xff}, 20),
			"truncated":   raw(2, request.Bytes())[:100],
			"garbage":     raw(2, []byte("garbage")),
			"a request":   raw(1, request.Bytes()),
			"a push":      raw(3, request.Bytes()),
			"taken":       raw(4, nil),
			"refused":     raw(5, []byte{1}),
			"nothing":     nil,
			"never ended": raw(2, make([]byte, 1000))[:100],
		} {
			func() {
				mallory.Host().SetStreamHandler("/kith/im/1", func(s network.Stream) {
					io.Copy(io.Discard, s)
					s.Write(response)
					if name != "never ended" {
						s.Close()
					}
				})
				began := time.Now()
				if _, err := alice.Exchange(t.Context(), "/kith/im/1", mallory.full(), request); err == nil {
					t.Errorf("%s: taken for a response", name)
				}
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("%s: error after %v", name, took)
				}
			}()
		}
	})
}

func TestHostilePublications(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		mallory, stop := on(t, net, "mallory")
		defer stop()
		alice, stop := on(t, net, "alice")
		defer stop()
		epoch := identity.NewEpoch()
		topic := epoch.Topic(time.Now())
		if err := alice.Listen(topic, []identity.Reach{mallory.full()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		first := mallory.publication(t, epoch, "honest")
		if n, err := mallory.Publish(t.Context(), topic, first, reaches([]*person{alice})); n != 1 || err != nil {
			t.Fatalf("publish: %d, %v", n, err)
		}
		time.Sleep(time.Second)
		for _, data := range [][]byte{
			nil, []byte("garbage"), make([]byte, 60<<10), make([]byte, 100<<10),
			mallory.request(t, alice, "sealed to a device").Bytes(),
			append(first.Bytes()[:len(first.Bytes()):len(first.Bytes())], 0),
		} {
			if err := mallory.Shout(t.Context(), topic, data); err != nil {
				t.Fatal(err)
			}
		}
		// More than a packet of pubsub may hold ends the stream, and no more.
		if err := mallory.Shout(t.Context(), topic, make([]byte, 300<<10)); err != nil {
			t.Logf("too long for pubsub: %v", err)
		}
		time.Sleep(time.Minute)
		if _, heard := alice.calls(); heard != 1 {
			t.Errorf("heard %d publications, want 1", heard)
		}
		last := mallory.publication(t, epoch, "honest again")
		if n, err := mallory.Publish(t.Context(), topic, last, reaches([]*person{alice})); n != 1 || err != nil {
			t.Errorf("publish: %d, %v", n, err)
		}
		time.Sleep(time.Second)
		if alice.hears(last) != 1 {
			t.Error("honest publication not heard afterwards")
		}
	})
}

func TestHostileRecords(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stop := on(t, net, "alice")
		defer stop()
		mallory, stop := on(t, net, "mallory", alice)
		defer stop()
		time.Sleep(time.Second)
		records := mallory.card(t).Records()
		good, other := records[0], records[1]
		bad := bytes.Clone(good.Value)
		bad[len(bad)-1] ^= 1
		for name, err := range map[string]error{
			"garbage":        mallory.PutTo(t.Context(), alice.Overlay, good.Key, []byte("garbage")),
			"empty":          mallory.PutTo(t.Context(), alice.Overlay, good.Key, nil),
			"not signed":     mallory.PutTo(t.Context(), alice.Overlay, good.Key, bad),
			"of another key": mallory.PutTo(t.Context(), alice.Overlay, good.Key, other.Value),
			"too long":       mallory.PutTo(t.Context(), alice.Overlay, good.Key, append(bytes.Clone(good.Value), make([]byte, 1<<20)...)),
			"no namespace":   mallory.PutTo(t.Context(), alice.Overlay, "key", good.Value),
			"long key":       mallory.PutTo(t.Context(), alice.Overlay, "/kith/"+strings.Repeat("a", 1<<16), good.Value),
			"public key":     mallory.PutTo(t.Context(), alice.Overlay, "/pk/"+string(mallory.Host().ID()), good.Value),
		} {
			if err == nil {
				t.Errorf("%s: stored", name)
			}
		}
		if n := alice.Status().Records; n != 0 {
			t.Errorf("%d records stored", n)
		}
		if err := mallory.PutTo(t.Context(), alice.Overlay, good.Key, good.Value); err != nil {
			t.Errorf("good record: %v", err)
		}
		time.Sleep(time.Minute)
		taken := 0
		for range 300 {
			if mallory.PutTo(t.Context(), alice.Overlay, good.Key, good.Value) == nil {
				taken++
			}
		}
		if taken > 280 {
			t.Errorf("%d records taken in %d s", taken, 300*40/1000)
		}
	})
}

// TestStopWhileAsked ends Serve while a request is being answered.
func TestStopWhileAsked(t *testing.T) {
	simulate(t, overlaytest.Fixed(20*time.Millisecond), func(t *testing.T, net *overlaytest.Net) {
		alice, stopAlice := on(t, net, "alice")
		bob, stop := on(t, net, "bob")
		defer stop()
		request, reach := bob.request(t, alice, "hello"), alice.full()
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", reach, request); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			go bob.Exchange(context.Background(), "/kith/im/1", reach, request)
		}
		time.Sleep(30 * time.Millisecond)
		stopAlice()
		began := time.Now()
		if _, err := bob.Exchange(t.Context(), "/kith/im/1", reach, request); err == nil {
			t.Error("a closed device answered")
		} else if took := time.Since(began); took > time.Second {
			t.Errorf("closed device: error after %v", took)
		}
	})
}
