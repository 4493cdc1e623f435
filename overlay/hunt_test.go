package overlay

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// TestFirst takes answers as they come: the latest name wins, and of its cards the
// latest.
func TestFirst(t *testing.T) {
	keys, err := identity.New("alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	card := func(serial uint64) identity.SignedCard {
		c, err := keys.SignCard(identity.CardDraft{Serial: serial}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	expired := func(name uint64) catch { return catch{name: name} }
	for _, test := range []struct {
		name  string
		comes []catch
		want  uint64 // serial of the card, 0 for none
	}{
		{"nothing", nil, 0},
		{"a card", []catch{{card(3), 0}}, 3},
		{"a later card", []catch{{card(3), 0}, {card(5), 0}, {card(4), 0}}, 5},
		{"the card of a later name", []catch{{card(9), 1}, {card(2), 2}, {card(8), 1}}, 2},
		{"expired", []catch{expired(4)}, 0},
		{"expired after a card", []catch{{card(3), 1}, expired(2)}, 0},
		{"expired before a card", []catch{expired(2), {card(3), 1}}, 0},
		{"enrolled again", []catch{expired(2), {card(3), 3}}, 3},
		{"enrolled again, expired late", []catch{{card(3), 3}, expired(2)}, 3},
	} {
		cards := make(chan catch, len(test.comes))
		for _, c := range test.comes {
			cards <- c
		}
		close(cards)
		got, found := first(t.Context(), cards)
		if found != (test.want > 0) || found && got.Card().Serial != test.want {
			t.Errorf("%s: got %v, want serial %d", test.name, found, test.want)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, found := first(ended, make(chan catch)); found {
		t.Error("found something after the end")
	}
}

// TestTrailSettle follows a device that is asked while a name turns the search.
func TestTrailSettle(t *testing.T) {
	account := publicKey(7)
	var tr trail
	old := tr.at
	if _, more := tr.settle(old, peer.AddrInfo{ID: "a"}); more || len(tr.settled) != 1 {
		t.Errorf("settle: more %v, %d devices", more, len(tr.settled))
	}
	tr.at.Account = account
	next, more := tr.settle(old, peer.AddrInfo{ID: "b"})
	if !more || !next.Account.Equal(account) || len(tr.settled) != 1 {
		t.Errorf("settle after a turn: more %v, %d devices", more, len(tr.settled))
	}
	if _, more := tr.settle(next, peer.AddrInfo{ID: "b"}); more || len(tr.settled) != 2 {
		t.Errorf("settle at last: more %v, %d devices", more, len(tr.settled))
	}
}

func TestUnnamed(t *testing.T) {
	err := error(&swarm.DialError{Peer: peerID(t, 1), Cause: swarm.ErrAllDialsFailed,
		DialErrors: []swarm.TransportError{{Cause: errors.New("dial 192.0.2.7:4001: refused")}}})
	got := unnamed(errors.Join(err))
	if want := "1 addresses dialled: all dials failed"; got.Error() != want || !errors.Is(got, swarm.ErrAllDialsFailed) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := unnamed(nil); got != nil {
		t.Errorf("nil became %v", got)
	}
}
