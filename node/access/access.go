// Package access decides who may do what at a node: watch its person, fetch
// their presence once, or write to them. Rules are text that people edit;
// Parse reads them, Default is what a node without rules follows.
//
// A rule is a line of three parts: what to do, with whom, about what.
//
//	allow contacts watch fetch send
//	ask   strangers watch
//	deny  strangers fetch send
//	deny  im:mallory@spam.example watch fetch send
//
// "Whom" is contacts, strangers, anyone, or an address. The last line that
// speaks of a person and an action decides; what no line speaks of is denied.
// Blank lines and lines that begin with # are skipped. At most MaxRules lines
// count.
package access

import (
	"fmt"
	"strings"

	"github.com/kith-im/kith/identity"
)

// MaxRules is the largest number of rules that Parse takes.
const MaxRules = 1000

// Default is the text of the rules of a node that has none of its own:
// strangers see nothing and may ask; contacts see all and may write.
const Default = `allow contacts watch fetch send
ask strangers watch
deny strangers fetch send
`

// Relation is what a person is to the owner of the rules.
type Relation int

// The relations.
const (
	Stranger Relation = iota
	Contact
)

// Action is what a person wants.
type Action int

// The actions.
const (
	Watch Action = iota // be notified of presence (RFC 3859 section 3.4.1)
	Fetch               // see presence once
	Send                // deliver an instant message (RFC 3860 section 3.4.1)
	actions
)

var actionNames = [actions]string{"watch", "fetch", "send"}

// Decision is what the rules say. The zero Decision denies.
type Decision int

// The decisions.
const (
	Deny Decision = iota
	Ask           // keep the request until the owner decides; only for Watch
	Allow
)

// Rules is a valid, immutable list of rules. The zero Rules denies everything.
type Rules struct {
	list []rule
}

type rule struct {
	decision Decision
	whom     whom
	person   identity.Address // when whom is onePerson
	about    [actions]bool
}

type whom int

const (
	contacts whom = iota
	strangers
	anyone
	onePerson
)

// Parse reads rules. The error names the line.
func Parse(text string) (*Rules, error) {
	var r Rules
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(r.list) == MaxRules {
			return nil, fmt.Errorf("line %d: more than %d rules", number, MaxRules)
		}
		one, err := parseRule(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		r.list = append(r.list, one)
	}
	return &r, nil
}

func parseRule(words []string) (rule, error) {
	var r rule
	if len(words) < 3 {
		return r, fmt.Errorf("a rule needs a decision, a person and an action, as in %q", "allow contacts watch")
	}
	switch words[0] {
	case "allow":
		r.decision = Allow
	case "ask":
		r.decision = Ask
	case "deny":
		r.decision = Deny
	default:
		return r, fmt.Errorf("%q is not allow, ask or deny", words[0])
	}
	switch words[1] {
	case "contacts":
		r.whom = contacts
	case "strangers":
		r.whom = strangers
	case "anyone":
		r.whom = anyone
	default:
		a, err := identity.ParseAddress(words[1])
		if err != nil {
			return r, fmt.Errorf("%q is not contacts, strangers, anyone or an address: %w", words[1], err)
		}
		r.whom, r.person = onePerson, a
	}
	for _, w := range words[2:] {
		a, err := parseAction(w)
		if err != nil {
			return r, err
		}
		if r.decision == Ask && a != Watch {
			return r, fmt.Errorf("only watch can be asked for, not %s", w)
		}
		r.about[a] = true
	}
	return r, nil
}

func parseAction(word string) (Action, error) {
	for a, name := range actionNames {
		if word == name {
			return Action(a), nil
		}
	}
	return 0, fmt.Errorf("%q is not watch, fetch or send", word)
}

// Decide says what the rules have for one person and one action.
func (r *Rules) Decide(who identity.Address, is Relation, what Action) Decision {
	d := Deny
	for _, one := range r.list {
		if one.about[what] && one.speaksOf(who, is) {
			d = one.decision
		}
	}
	return d
}

func (r rule) speaksOf(who identity.Address, is Relation) bool {
	switch r.whom {
	case contacts:
		return is == Contact
	case strangers:
		return is == Stranger
	case onePerson:
		return who == r.person
	}
	return true
}
