package node

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzSync(f *testing.F) {
	request, err := syncRequest{after: 1, have: 2, want: wantPeople, renewal: []byte("r"), reach: []byte("x")}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	answer, err := synced{last: 9, more: true, grant: []byte("g"), items: []item{
		{kind: ContactChange, key: "bob@example.org", stamp: epoch0, body: []byte("b")}, {kind: WatchChange, key: "k", stamp: epoch0, deleted: true},
	}}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{request, answer, nothing, {}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, err := parseSyncRequest(der); err == nil {
			again, err := r.marshal()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := parseSyncRequest(again); err != nil || b.after != r.after || b.have != r.have || b.want != r.want || !bytes.Equal(b.reach, r.reach) {
				t.Errorf("request: %+v became %+v, %v", r, b, err)
			}
		} else if r != nil {
			t.Error("request beside an error")
		}
		if s, err := parseSynced(der); err == nil {
			again, err := s.marshal()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := parseSynced(again); err != nil || !cmp.Equal(s.items, b.items, cmp.AllowUnexported(item{})) {
				t.Errorf("answer: %+v became %+v, %v", s, b, err)
			}
		} else if s != nil {
			t.Error("answer beside an error")
		}
	})
}

// FuzzItems: no body makes a reader panic, and what is read is written again the
// same.
func FuzzItems(f *testing.F) {
	for _, seed := range bodies(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, _, ok := readContact(body); ok {
			if again, err := contactBody(c); err != nil {
				t.Error(err)
			} else if _, _, ok := readContact(again); !ok {
				t.Errorf("contact not read again: %+v", c)
			}
		}
		if w, _, ok := readWatcher(body); ok {
			if again, err := watcherBody(w); err != nil {
				t.Error(err)
			} else if b, _, ok := readWatcher(again); !ok || b.State != w.State || b.Note != w.Note {
				t.Errorf("watcher %+v became %+v", w, b)
			}
		}
		if w, ok := readWatch(body); ok {
			if again, err := watchBody(w); err != nil || !bytes.Equal(again, body) {
				t.Errorf("watch: %x became %x, %v", body, again, err)
			}
		}
		if d, ok := readDevice(body); ok {
			if again, err := deviceBody(d); err != nil || !bytes.Equal(again, body) {
				t.Errorf("device: %x became %x, %v", body, again, err)
			}
		}
		if i, ok := readInvite(body); ok {
			if again, err := inviteBody(i); err != nil {
				t.Error(err)
			} else if b, ok := readInvite(again); !ok || i != b {
				t.Errorf("invitation %+v became %+v", i, b)
			}
		}
		if m, ok := readMessageBody(body); ok {
			if again, err := messageBody(m); err != nil {
				t.Error(err)
			} else if _, ok := readMessageBody(again); !ok {
				t.Error("message not read again")
			}
		}
	})
}

// bodies are one of each kind.
func bodies(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	add := func(b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	add(contactBody(Contact{Name: "bob", Added: epoch0, Hint: []byte("hint"), Token: [16]byte{1}}))
	add(watcherBody(Watcher{ID: SubscriptID{1}, State: Active, Event: "approved", Since: epoch0, Expires: epoch0.Add(time.Hour), Note: "hi"}))
	add(watchBody(Watch{ID: SubscriptID{1}, State: Terminated, Reason: "ended"}))
	add(deviceBody(Device{Name: "phone", Card: []byte("card"), Scopes: 7, Added: epoch0}))
	add(inviteBody(Invite{As: "a", Note: "n", Made: epoch0, Once: true, Used: 3}))
	add(messageBody(Message{Stored: epoch0, Status: Delivered, Reason: "r", Read: true}))
	return all
}

func TestSyncLimits(t *testing.T) {
	many := make([]item, maxItems+1)
	for i := range many {
		many[i] = item{kind: WatchChange, key: "k", stamp: epoch0, body: nothing}
	}
	for name, s := range map[string]synced{
		"too many items": {items: many},
		"a long key":     {items: []item{{kind: WatchChange, key: strings.Repeat("k", maxKey+1), stamp: epoch0}}},
		"no such kind":   {items: []item{{kind: SettingChange + 1, key: "k", stamp: epoch0}}},
		"before 1970":    {items: []item{{kind: WatchChange, key: "k", stamp: time.UnixMilli(-1)}}},
		"far future":     {items: []item{{kind: WatchChange, key: "k", stamp: time.UnixMilli(maxStamp + 1)}}},
	} {
		der, err := s.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseSynced(der); err == nil || got != nil {
			t.Errorf("%s: got %d items, %v", name, len(got.items), err)
		}
	}
	der, err := synced{items: many[:maxItems]}.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseSynced(der); err != nil || len(got.items) != maxItems {
		t.Errorf("%d items: %v", maxItems, err)
	}
}
