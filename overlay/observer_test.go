package overlay_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"index/suffixarray"
	"log/slog"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/kith-im/kith/overlay"
	"github.com/kith-im/kith/overlay/overlaytest"
	recordpb "github.com/libp2p/go-libp2p-record/pb"
	"google.golang.org/protobuf/proto"
)

// journal is what a device logs, whole.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) bytes() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.b.Bytes())
}

// somebody is a person whose records a device stores.
type somebody struct {
	keys   *identity.Keys
	member bool
	reach  identity.Reach
	peer   string // peer id as text
	serial uint64
	own    map[string]bool // all keys of the person's records
	names  map[string]bool // those that have names
	cards  []*identity.Card
}

// observed is what the observer has of one record. Whose it is and what is in it,
// only the test knows.
type observed struct {
	value           []byte
	issued, expires uint64
	person          *somebody
	name            bool
}

// population is 50 people of their own domains and 20 members of one.
func population(t *testing.T, c *community) (people []*somebody) {
	t.Helper()
	for i := range 70 {
		s := &somebody{member: i >= 50, own: make(map[string]bool), names: make(map[string]bool)}
		local := fmt.Sprintf("somebody-%02d", i)
		if s.member {
			s.keys = c.member(t, local, false)
		} else {
			keys, err := identity.New(local, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			s.keys = keys
		}
		address := fmt.Sprintf("/ip4/81.2.%d.%d/tcp/4001", 69+i, 142+i)
		reach, id, err := overlay.ReachOf(s.keys.TransportKey(), address)
		if err != nil {
			t.Fatal(err)
		}
		s.reach, s.peer = reach, id.String()
		people = append(people, s)
	}
	return people
}

// announceAll has everybody sign a card at a time of their own within an hour, and
// one of the devices put the records at the observer.
func announceAll(t *testing.T, people []*somebody, putters []*person, observer *person, r *rand.Rand) {
	t.Helper()
	order := slices.Clone(people)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	end := time.Now().Add(time.Hour)
	times := make([]time.Time, len(order))
	for i := range times {
		times[i] = time.Now().Add(time.Duration(r.Int64N(int64(55 * time.Minute))))
	}
	slices.SortFunc(times, time.Time.Compare)
	for i, s := range order {
		time.Sleep(time.Until(times[i]))
		s.serial++
		card, err := s.keys.SignCard(identity.CardDraft{Serial: s.serial, Reach: s.reach}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.cards = append(s.cards, card.Card())
		for _, record := range card.Records() {
			s.own[record.Key] = true
			if err := putters[i%len(putters)].PutTo(t.Context(), observer.Overlay, record.Key, record.Value); err != nil {
				t.Fatalf("put: %v", err)
			}
			// What holds it, nobody but who knows the address can tell.
			l := s.keys.Locator()
			l.Account = nil
			if f, err := identity.OpenRecord(l, record.Key, record.Value, time.Now()); err == nil && !f.Name.IsZero() {
				s.names[record.Key] = true
			}
		}
	}
	time.Sleep(time.Until(end))
}

// seize reads all that the observer stores.
func seize(t *testing.T, observer *person, people []*somebody) (all []observed, raw []byte) {
	t.Helper()
	entries, err := observer.Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw = append(append(append(raw, e.Key...), '\n'), e.Value...)
		var rec recordpb.Record
		if err := proto.Unmarshal(e.Value, &rec); err != nil {
			t.Fatal(err)
		}
		if got := proto.Size(&recordpb.Record{Key: rec.Key, Value: rec.Value}); got != len(e.Value) {
			t.Errorf("%d octets are stored besides key and value", len(e.Value)-got)
		}
		o := observed{
			value:   rec.Value,
			issued:  binary.BigEndian.Uint64(rec.Value[33:]),
			expires: binary.BigEndian.Uint64(rec.Value[41:]),
		}
		for _, s := range people {
			if s.own[string(rec.Key)] {
				o.person, o.name = s, s.names[string(rec.Key)]
			}
		}
		if o.person == nil {
			t.Fatalf("%q is nobody's", rec.Key)
		}
		all = append(all, o)
	}
	return all, raw
}

// TestObserver has all that a storing device stores and logs in two days, and asks
// what it tells: nobody's address nor anything else that stays the same, not which
// records are of one person, and not which people are members of a domain.
func TestObserver(t *testing.T) {
	if raced {
		t.Skip("a large network, tested without the race detector")
	}
	simulate(t, overlaytest.Uniform(51), func(t *testing.T, net *overlaytest.Net) {
		var log journal
		var all []observed
		var raw []byte
		time.Sleep(8 * time.Hour)
		c := newCommunity(t, "")
		people := population(t, c)
		cfg := net.Host("observer")
		cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
		observer, stop := start(t, "observer", cfg)
		defer stop()
		r := rand.New(rand.NewPCG(1, 2))
		for day := range 2 {
			putters, stop := owners(t, net, people[:5], observer, day)
			announceAll(t, people, putters, observer, r)
			records, octets := seize(t, observer, people)
			all, raw = append(all, records...), append(raw, octets...)
			busy(t, putters, observer, people)
			stop()
			time.Sleep(24 * time.Hour)
		}
		// That a log is there to be read.
		liar, stop := on(t, net, "liar", observer)
		defer stop()
		if err := liar.Connect(t.Context(), observer.Overlay); err != nil {
			t.Fatal(err)
		}
		s, err := liar.Host().NewStream(t.Context(), observer.Host().ID(), "/kith/im/1")
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte{0})
		time.Sleep(time.Second)
		logged := log.bytes()
		if !bytes.Contains(logged, []byte("misbehaves")) || !bytes.Contains(logged, []byte("way in not reached")) {
			t.Errorf("the log does not tell of the liar nor of who is gone: %s", logged)
		}
		if len(all) < 2*(50*6+20*12) {
			t.Errorf("%d records seized", len(all))
		}
		nothingStable(t, append(raw, logged...), people, c)
		nothingShared(t, all)
		timesTellNothing(t, all)
		membersAlike(t, all)
	})
}

// owners are the devices of some people, which put the records of all: who puts is
// seen by whoever stores, while it happens.
func owners(t *testing.T, net *overlaytest.Net, people []*somebody, observer *person, day int) (devices []*person, stop func()) {
	t.Helper()
	var stops []func()
	for i, s := range people {
		cfg := net.Host(fmt.Sprint("owner", day, i))
		cfg.Key, cfg.Bootstrap = s.keys.TransportKey(), observer.Addresses()
		p, stop := startAs(t, "owner", s.keys, cfg)
		p.serial = 1 << 20
		devices, stops = append(devices, p), append(stops, stop)
	}
	return devices, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// busy has the devices do what is logged: they are refused, ask for what is not
// there, put what is wrong, and exchange.
func busy(t *testing.T, putters []*person, observer *person, people []*somebody) {
	t.Helper()
	for _, p := range putters {
		for _, s := range people[:10] {
			l := s.keys.Locator()
			if _, _, err := p.Resolve(t.Context(), l, observer.full()); err != nil {
				t.Fatal(err)
			}
			if err := p.Keep(t.Context(), l); err != nil {
				t.Logf("keep: %v", err)
			}
		}
		if p.PutTo(t.Context(), observer.Overlay, "/kith/wrong", []byte("wrong")) == nil {
			t.Error("stored what is wrong")
		}
		card := p.card(t)
		for range 2 * overlay.PutsAllowed {
			r := card.Records()[0]
			if p.PutTo(t.Context(), observer.Overlay, r.Key, r.Value) != nil {
				break
			}
		}
		request := p.request(t, observer, "hello")
		if _, err := p.Exchange(t.Context(), "/kith/im/1", observer.full(), request); err != nil {
			t.Fatal(err)
		}
	}
}

// nothingStable looks for everything about a person that outlives a day, in all
// forms that it may be written in.
func nothingStable(t *testing.T, seized []byte, people []*somebody, c *community) {
	t.Helper()
	exact, lower := suffixarray.New(seized), suffixarray.New(bytes.ToLower(seized))
	look := func(what string, b []byte, texts ...string) {
		for form, b := range forms(b) {
			if exact.Lookup(b, 1) != nil {
				t.Errorf("%s is there (%s)", what, form)
			}
		}
		for _, s := range texts {
			if lower.Lookup([]byte(strings.ToLower(s)), 1) != nil {
				t.Errorf("%s is there: %q", what, s)
			}
		}
	}
	name, err := c.KeyName()
	if err != nil {
		t.Fatal(err)
	}
	look("the key of the domain", c.Key(), name, name[:30], c.Name())
	look("the certificate of the domain", c.Certificate().Raw[:64])
	for _, s := range people {
		who := s.keys.Address()
		look("a local part", nil, who.Local(), who.Local()[:8])
		look("a domain", nil, who.Domain(), who.Domain()[:30])
		look("an address", []byte(who.String()))
		look("an account key", s.cards[0].AccountKey())
		public := s.keys.TransportKey().Public().(ed25519.PublicKey)
		look("a peer id", public, s.peer, s.peer[len(s.peer)-8:])
		look("where a device is", s.reach[len(s.reach)-8:])
		for _, card := range s.cards {
			for _, d := range card.Devices {
				look("a device id", d.ID[:])
				for _, raw := range [][]byte{d.Signing.Raw, d.Sealing.Raw, card.Account.Raw} {
					look("a certificate", raw[len(raw)-40:])
					look("a serial number", raw[15:31])
				}
				look("a signing key", d.Signing.RawSubjectPublicKeyInfo[26:58])
				look("a sealing key", d.Sealing.RawSubjectPublicKeyInfo[26:58])
			}
		}
	}
}

// forms is how octets may be written: within others, so that encodings begin at any
// bit of them.
func forms(b []byte) map[string][]byte {
	if len(b) == 0 {
		return nil
	}
	f := map[string][]byte{
		"raw": b,
		"hex": []byte(hex.EncodeToString(b)),
		"HEX": []byte(strings.ToUpper(hex.EncodeToString(b))),
	}
	n := new(big.Int).SetBytes(b)
	f["base 36"], f["decimal"] = []byte(n.Text(36)), []byte(n.Text(10))
	// The characters at both ends depend on what is before and behind.
	within := func(form string, encode func([]byte) string, group, chars int) {
		for lead := range group {
			s := encode(append(make([]byte, lead), b...))
			from := (lead*chars + group - 1) / group
			whole := (lead + len(b)) * chars / group
			f[fmt.Sprint(form, " ", lead)] = []byte(s[from:whole])
		}
	}
	low := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	within("base 64", base64.RawStdEncoding.EncodeToString, 3, 4)
	within("base 64 url", base64.RawURLEncoding.EncodeToString, 3, 4)
	within("base 32", low.EncodeToString, 5, 8)
	within("BASE 32", base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString, 5, 8)
	return f
}

// nothingShared demands that no 16 octets occur in the records of two slots. The
// times are looked at by timesTellNothing.
func nothingShared(t *testing.T, all []observed) {
	t.Helper()
	const run = 16
	type slot [32]byte
	seen := make(map[[run]byte]slot)
	for _, o := range all {
		at := slot(o.value[1:33])
		for _, part := range [][]byte{o.value[1:33], o.value[49:]} {
			for i := 0; i+run <= len(part); i++ {
				w := [run]byte(part[i:])
				if before, ok := seen[w]; ok && before != at {
					t.Fatalf("%x occurs in two slots", w)
				}
				seen[w] = at
			}
		}
	}
}

// timesTellNothing guesses for each record that the one issued nearest to it, of
// the same kind and day, is of the same person; and that the one of the next day
// issued at the nearest time of the hour is. Guesses may be right hardly more often
// than by chance.
func timesTellNothing(t *testing.T, all []observed) {
	t.Helper()
	near := func(a, b uint64) float64 { return math.Abs(float64(a) - float64(b)) }
	hour := func(a, b uint64) float64 {
		d := math.Mod(near(a, b), 3600)
		return min(d, 3600-d)
	}
	for _, guess := range []struct {
		name     string
		distance func(a, b uint64) float64
		pair     func(a, b observed) bool
		most     float64
	}{
		{"cards of one day", near, func(a, b observed) bool { return !a.name && !b.name && near(a.issued, b.issued) < 43200 }, observerCards},
		{"cards of two days", hour, func(a, b observed) bool { return !a.name && !b.name && near(a.issued, b.issued) > 43200 }, 0.05},
		{"names of one day", near, func(a, b observed) bool { return a.name && b.name && near(a.issued, b.issued) < 43200 }, 0.15},
		{"names of two days", func(a, b uint64) float64 { return math.Abs(near(a, b) - 86400) },
			func(a, b observed) bool { return a.name && b.name && near(a.issued, b.issued) > 43200 }, 0.15},
	} {
		var right, chance, guesses float64
		for i, a := range all {
			best, hits, ties, own, others := math.Inf(1), 0.0, 0.0, 0.0, 0.0
			for j, b := range all {
				if i == j || bytes.Equal(a.value[1:33], b.value[1:33]) || !guess.pair(a, b) {
					continue
				}
				d := guess.distance(a.issued, b.issued)
				if d < best {
					best, hits, ties = d, 0, 0
				}
				mine := 0.0
				if a.person == b.person {
					mine = 1
				}
				if d == best {
					hits, ties = hits+mine, ties+1
				}
				own, others = own+mine, others+1
			}
			if ties > 0 {
				right, chance, guesses = right+hits/ties, chance+own/others, guesses+1
			}
		}
		t.Logf("%s: %.1f %% of %.0f guesses are right, by chance %.1f %%", guess.name, 100*right/guesses, guesses, 100*chance/guesses)
		if guesses < 50 || right/guesses > guess.most {
			t.Errorf("%s: %.1f %% of %.0f guesses are right, want at most %.1f %%", guess.name, 100*right/guesses, guesses, 100*guess.most)
		}
	}
}

// observerCards is the share of right guesses by the issue times of one day.
const observerCards = 0.05

// membersAlike compares the cards of a domain's members with those of others: their
// sizes, and how their visible times are spread. Names are of one size with them.
func membersAlike(t *testing.T, all []observed) {
	t.Helper()
	sizes := make(map[int][2]int)
	var spans [2][]float64
	for _, o := range all {
		kind := 0
		if o.person.member {
			kind = 1
		}
		n := sizes[len(o.value)]
		n[kind]++
		sizes[len(o.value)] = n
		if !o.name {
			spans[kind] = append(spans[kind], float64(o.issued%3600))
		}
	}
	if len(sizes) != 1 {
		t.Errorf("sizes, of members and others: %v", sizes)
	}
	// Kolmogorov and Smirnov: the greatest distance of the two distributions.
	slices.Sort(spans[0])
	slices.Sort(spans[1])
	var most float64
	for i, v := range spans[1] {
		j, _ := slices.BinarySearch(spans[0], v)
		most = max(most, math.Abs(float64(i)/float64(len(spans[1]))-float64(j)/float64(len(spans[0]))))
	}
	t.Logf("issue times of members and others: distance %.2f", most)
	if most > 0.35 { // 20 members announce at 20 times of the hour
		t.Errorf("members announce at other times: distance %.2f", most)
	}
}
