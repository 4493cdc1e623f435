package node

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/identity"
)

// linker is a new device made by hand, and the offer that it talks to.
type linker struct {
	t      *testing.T
	offer  *offer
	secret [linkSecret]byte
	from   identity.Address
	nonce  [32]byte
	hello  linkHello
}

var certifier = identity.DeviceID{7}

func newLinker(t *testing.T) *linker {
	t.Helper()
	l := &linker{t: t, secret: [linkSecret]byte{1, 2, 3}, nonce: [32]byte{9}, from: throwAway(t)}
	l.offer = &offer{secret: l.secret, expires: epoch0.Add(linkLasts), state: LinkState{Stage: LinkWaiting}}
	l.hello = linkHello{request: []byte("request"), name: "phone"}
	l.hello.commit = commitTo(l.nonce, l.hello.request)
	return l
}

func throwAway(t *testing.T) identity.Address {
	t.Helper()
	keys, err := identity.New("new-device", epoch0)
	if err != nil {
		t.Fatal(err)
	}
	return keys.Address()
}

func (l *linker) as(from identity.Address, secret [linkSecret]byte, step int, body []byte) (*linked, error) {
	l.t.Helper()
	der, err := newLinkStep(secret, step, body)
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := parseLinkStep(der)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.offer.take(from, s, certifier)
}

func (l *linker) step(step int, body []byte) (*linked, error) {
	l.t.Helper()
	return l.as(l.from, l.secret, step, body)
}

func (l *linker) helloBody() []byte {
	l.t.Helper()
	body, err := l.hello.marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	return body
}

func (l *linker) nonceBody(nonce [32]byte) []byte {
	l.t.Helper()
	body, err := marshalNonce(nonce)
	if err != nil {
		l.t.Fatal(err)
	}
	return body
}

var nothing = []byte{0x30, 0}

// toCompare takes the link to where the digits are compared.
func (l *linker) toCompare() {
	l.t.Helper()
	answer, err := l.step(stepHello, l.helloBody())
	if err != nil {
		l.t.Fatal(err)
	}
	theirs, err := parseNonce(answer.nonce)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.step(stepReveal, l.nonceBody(l.nonce)); err != nil {
		l.t.Fatal(err)
	}
	want := linkDigits(theirs, l.nonce, l.hello.request, certifier)
	if diff := cmp.Diff(want, l.offer.state.Digits); diff != "" || l.offer.state.Stage != LinkCompare {
		l.t.Fatalf("stage %s, digits (-want +got):\n%s", l.offer.state.Stage, diff)
	}
}

func TestLinkSteps(t *testing.T) {
	l := newLinker(t)
	l.toCompare()
	if a, err := l.step(stepFinish, nothing); err != nil || a.outcome != linkWait {
		t.Errorf("finish before the owner agreed: got %+v, %v", a, err)
	}
	l.offer.state.Stage = LinkAgreed
	if a, err := l.step(stepFinish, nothing); err != nil || a != nil {
		t.Errorf("finish: got %+v, %v, want the grant to be due", a, err)
	}
	if a, err := l.step(stepFinish, nothing); err != nil || a.outcome != linkWait {
		t.Errorf("finish while the grant is made: got %+v, %v", a, err)
	}
	l.offer.answer, l.offer.state.Stage = &linked{outcome: linkDone, grant: []byte("grant")}, LinkDone
	if a, err := l.step(stepFinish, nothing); err != nil || string(a.grant) != "grant" {
		t.Errorf("finish again, the answer was lost: got %+v, %v", a, err)
	}
	if a, err := l.as(throwAway(t), l.secret, stepFinish, nothing); err == nil {
		t.Errorf("the grant for somebody else: got %+v", a)
	}
	if a, err := l.as(throwAway(t), l.secret, stepHello, l.helloBody()); err == nil {
		t.Errorf("the code used twice: got %+v", a)
	}
}

func TestLinkDigits(t *testing.T) {
	seen := make(map[string]bool)
	for range 200 {
		var e, n [32]byte
		rand.Read(e[:])
		rand.Read(n[:])
		digits := linkDigits(e, n, []byte("request"), certifier)
		if len(digits) != 2 || len(digits[0]) != 3 || len(digits[1]) != 3 || strings.Trim(digits[0]+digits[1], "0123456789") != "" {
			t.Fatalf("got %q", digits)
		}
		seen[digits[0]+digits[1]] = true
	}
	if len(seen) < 195 {
		t.Errorf("%d different digits of 200", len(seen))
	}
	a := linkDigits([32]byte{1}, [32]byte{2}, []byte("r"), certifier)
	for name, b := range map[string][]string{
		"nonceE": linkDigits([32]byte{3}, [32]byte{2}, []byte("r"), certifier), "nonceN": linkDigits([32]byte{1}, [32]byte{3}, []byte("r"), certifier),
		"request": linkDigits([32]byte{1}, [32]byte{2}, []byte("s"), certifier), "device": linkDigits([32]byte{1}, [32]byte{2}, []byte("r"), identity.DeviceID{8}),
	} {
		if cmp.Equal(a, b) {
			t.Errorf("another %s shows the same digits", name)
		}
	}
}

func TestHostileLinks(t *testing.T) {
	for name, test := range map[string]struct {
		attack func(l *linker) (*linked, error)
		want   LinkStage // afterwards
	}{
		"wrong secret": {func(l *linker) (*linked, error) {
			return l.as(l.from, [linkSecret]byte{4}, stepHello, l.helloBody())
		}, LinkWaiting},
		"many wrong secrets": {func(l *linker) (a *linked, err error) {
			for range 100 {
				a, err = l.as(throwAway(l.t), [linkSecret]byte{4}, stepHello, l.helloBody())
			}
			return a, err
		}, LinkWaiting},
		"reveal without hello": {func(l *linker) (*linked, error) { return l.step(stepReveal, l.nonceBody(l.nonce)) }, LinkWaiting},
		"finish without hello": {func(l *linker) (*linked, error) { return l.step(stepFinish, nothing) }, LinkWaiting},
		"finish without reveal": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			return l.step(stepFinish, nothing)
		}, LinkWaiting},
		"a second device meanwhile": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			return l.as(throwAway(l.t), l.secret, stepHello, l.helloBody())
		}, LinkWaiting},
		"somebody else reveals": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			return l.as(throwAway(l.t), l.secret, stepReveal, l.nonceBody(l.nonce))
		}, LinkWaiting},
		"another request after the commitment": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			l.hello.request = []byte("another")
			return l.step(stepHello, l.helloBody())
		}, LinkWaiting},
		"another commitment": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			l.hello.commit[0] ^= 1
			return l.step(stepHello, l.helloBody())
		}, LinkWaiting},
		"another nonce than committed to": {func(l *linker) (*linked, error) {
			l.step(stepHello, l.helloBody())
			return l.step(stepReveal, l.nonceBody([32]byte{10}))
		}, LinkRefused},
		"another nonce after the digits": {func(l *linker) (*linked, error) {
			l.toCompare()
			return l.step(stepReveal, l.nonceBody([32]byte{10}))
		}, LinkRefused},
		"no offer": {func(l *linker) (*linked, error) {
			l.offer = nil
			return l.step(stepHello, l.helloBody())
		}, ""},
		"expired": {func(l *linker) (*linked, error) {
			l.offer.expire(epoch0.Add(linkLasts))
			return l.step(stepHello, l.helloBody())
		}, LinkExpired},
		"a body that is none": {func(l *linker) (*linked, error) { return l.step(stepHello, []byte("hello")) }, LinkWaiting},
		"a name that cannot be shown": {func(l *linker) (*linked, error) {
			l.hello.name = "a\x1b[2J"
			return l.step(stepHello, l.helloBody())
		}, LinkWaiting},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLinker(t)
			if a, err := test.attack(l); err == nil {
				t.Errorf("got answer %+v", a)
			}
			if l.offer != nil && l.offer.state.Stage != test.want {
				t.Errorf("got stage %s, want %s", l.offer.state.Stage, test.want)
			}
		})
	}
}

func TestRefusedLink(t *testing.T) {
	l := newLinker(t)
	l.toCompare()
	if a, err := l.step(stepRefuse, nothing); err != nil || a.outcome != linkRefused || l.offer.state.Stage != LinkRefused {
		t.Errorf("refused there: got %+v, %v, stage %s", a, err, l.offer.state.Stage)
	}
	if a, err := l.step(stepFinish, nothing); err != nil || a.outcome != linkRefused {
		t.Errorf("finish after that: got %+v, %v", a, err)
	}
	l = newLinker(t)
	l.toCompare()
	l.offer.state.Stage = LinkRefused // here
	if a, err := l.step(stepFinish, nothing); err != nil || a.outcome != linkRefused {
		t.Errorf("refused here: got %+v, %v", a, err)
	}
}

func TestLinkCode(t *testing.T) {
	code := linkCode{address: throwAway(t), reach: identity.Reach("somewhere")}
	rand.Read(code.secret[:])
	for _, c := range []linkCode{code, {address: code.address, secret: code.secret}} {
		got, err := parseLinkCode(" " + c.String() + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if got.address != c.address || got.secret != c.secret || !bytes.Equal(got.reach, c.reach) {
			t.Errorf("got %+v, want %+v", got, c)
		}
	}
	s := code.String()
	for name, bad := range map[string]string{
		"empty": "", "cut": s[:len(s)-3], "an invitation": strings.Replace(s, linkMark, "?i=", 1), "no address": "kith:?l=AAAA",
		"altered": strings.Replace(s, s[len(s)-8:], "AAAAAAAA", 1), "line break": s[:len(s)-4] + "\n" + s[len(s)-4:],
		"long": s + strings.Repeat("A", maxLinkCode), "other scheme": "http" + s[4:],
	} {
		if c, err := parseLinkCode(bad); err == nil {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

func FuzzLink(f *testing.F) {
	step, err := newLinkStep([linkSecret]byte{1}, stepHello, nothing)
	if err != nil {
		f.Fatal(err)
	}
	hello, err := linkHello{request: []byte("r"), name: "n"}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	answer, err := linked{outcome: linkDone, nonce: []byte("n"), grant: []byte("g"), card: []byte("c")}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{step, hello, answer, nothing, {}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, err := parseLinkStep(der); err == nil {
			again, err := newLinkStep([linkSecret]byte{}, s.step, s.body)
			if err != nil || len(again) != len(der) {
				t.Errorf("step: wrote %x of %x, %v", again, der, err)
			}
		} else if s != nil {
			t.Error("step beside an error")
		}
		if h, err := parseLinkHello(der); err == nil {
			if again, err := h.marshal(); err != nil || !bytes.Equal(again, der) {
				t.Errorf("hello: wrote %x of %x, %v", again, der, err)
			}
		}
		if l, err := parseLinked(der); err == nil {
			again, err := l.marshal()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := parseLinked(again); err != nil || !cmp.Equal(l, b, cmp.AllowUnexported(linked{})) {
				t.Errorf("answer: %+v became %+v, %v", l, b, err)
			}
		}
		if c, err := parseLinkCode(string(der)); err == nil {
			if again, err := parseLinkCode(c.String()); err != nil || again.address != c.address {
				t.Errorf("code: %v", err)
			}
		}
	})
}

func TestOfferExpires(t *testing.T) {
	o := &offer{expires: epoch0, state: LinkState{Stage: LinkCompare, Digits: []string{"1", "2"}}}
	o.expire(epoch0.Add(-time.Second))
	if o.state.Stage != LinkCompare {
		t.Errorf("a second early: %+v", o.state)
	}
	o.expire(epoch0)
	if o.state.Stage != LinkExpired || o.state.Digits != nil {
		t.Errorf("got %+v", o.state)
	}
}
