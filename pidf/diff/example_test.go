package diff_test

import (
	"fmt"

	"github.com/kith-im/kith/pidf/diff"
)

// A publisher sends the difference; a watcher brings its copy up to date.
func Example() {
	const document = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:door@example.com">` +
		`<tuple id="lock"><status><basic>%s</basic></status><contact>im:door@example.com</contact>` +
		`<note xml:lang="en">The door of the workshop. Ask for the key if it does not answer; the bell is broken and will stay so until the new one comes.</note>` +
		`</tuple></presence>`
	old, err := diff.Full(fmt.Appendf(nil, document, "open"), 6)
	if err != nil {
		fmt.Println(err)
		return
	}
	new, err := diff.Full(fmt.Appendf(nil, document, "closed"), 7)
	if err != nil {
		fmt.Println(err)
		return
	}
	update, err := diff.Create(old, new)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", update)
	got, err := diff.Apply(old, update)
	fmt.Println(string(got) == string(new), err)
	_, err = diff.Apply(got, update)
	fmt.Println(err)
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?><p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="pres:door@example.com" version="7"><p:replace sel="*/tuple/status/basic/text()">closed</p:replace></p:pidf-diff>
	// true <nil>
	// pidf diff: line 1: invalid-attribute-value: update is not newer than the document (RFC 5262 3)
}
