package pidf_test

import (
	"fmt"
	"log"
	"time"

	"github.com/kith-im/kith/pidf"
	"github.com/kith-im/kith/pidf/rpid"
)

// Alice is away from her keyboard and still takes messages.
func Example() {
	since := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	priority, err := pidf.ParsePriority("0.8")
	if err != nil {
		log.Fatal(err)
	}
	out := &pidf.Presence{
		Entity: "pres:alice@example.com",
		Tuples: []pidf.Tuple{{
			ID:        "desk",
			Status:    pidf.Status{Basic: pidf.Open},
			Contact:   &pidf.Contact{URI: "im:alice@example.com", Priority: priority},
			Timestamp: since,
		}},
		Persons: []pidf.Person{{
			ID:         "alice",
			Activities: []rpid.Activities{{Values: []rpid.Activity{rpid.Away}}},
			Notes:      []pidf.Note{{Lang: "en", Text: "back at two"}},
			Timestamp:  since,
		}},
	}
	doc, err := out.Marshal()
	if err != nil {
		log.Fatal(err)
	}

	in, err := pidf.ParseMedia(pidf.ContentType, doc)
	if err != nil {
		log.Fatal(err)
	}
	alice := &in.Persons[0]
	doing, _ := rpid.At(alice.Activities, since)
	fmt.Println(in.Entity, in.Basic(), doing.Values, in.NotesFor(alice)[0].Text)
	for _, inbox := range in.Inboxes() {
		fmt.Println(inbox.URI, inbox.Priority)
	}
	// Output:
	// pres:alice@example.com open [away] back at two
	// im:alice@example.com 0.8
}

func ExampleElement_Understood() {
	doc := `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf"
    xmlns:x="urn:example:x" entity="pres:alice@example.com">
  <tuple id="t1">
    <status><basic>open</basic><x:seat><x:row p:mustUnderstand="1">7</x:row></x:seat></status>
  </tuple>
</presence>`
	p, err := pidf.Parse([]byte(doc))
	if err != nil {
		log.Fatal(err)
	}
	seat := p.Tuples[0].Status.Ext[0]
	fmt.Println(seat.Understood(func(ns, name string) bool { return name == "seat" }))
	fmt.Println(seat.Understood(func(ns, name string) bool { return name == "seat" || name == "row" }))
	fmt.Printf("%s\n", seat.Raw)
	// Output:
	// false
	// true
	// <x:seat xmlns:x="urn:example:x" xmlns:p="urn:ietf:params:xml:ns:pidf"><x:row p:mustUnderstand="1">7</x:row></x:seat>
}
