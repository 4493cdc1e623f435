package winfo_test

import (
	"errors"
	"fmt"

	"github.com/kith-im/kith/pidf/winfo"
)

// A presentity's program follows who watches: a whole document, then changes.
func Example() {
	first := &winfo.Document{Full: true, Lists: []winfo.List{{
		Resource: "pres:bob@example.com", Package: "presence",
		Watchers: []winfo.Watcher{{ID: "w1", Status: winfo.Pending, Event: winfo.Subscribe, URI: "pres:alice@example.com"}},
	}}}
	doc, err := first.Marshal()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", doc)
	var state winfo.State
	for _, doc := range []string{string(doc), `<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="2" state="partial">` +
		`<watcher-list resource="pres:bob@example.com" package="presence">` +
		`<watcher id="w1" status="active" event="approved">pres:alice@example.com</watcher></watcher-list></watcherinfo>`} {
		d, err := winfo.Parse([]byte(doc))
		if err != nil {
			fmt.Println(err)
			return
		}
		if state, err = state.Next(d); errors.Is(err, winfo.ErrGap) {
			fmt.Println("ask for the full state")
		}
	}
	for _, w := range state.Lists[0].Watchers {
		fmt.Println(w.URI, w.Status)
	}
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?><watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full"><watcher-list resource="pres:bob@example.com" package="presence"><watcher id="w1" status="pending" event="subscribe">pres:alice@example.com</watcher></watcher-list></watcherinfo>
	// ask for the full state
	// pres:alice@example.com active
}
