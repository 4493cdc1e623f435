package cms

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// node is a DER element taken apart, for tests that rebuild objects with one
// thing wrong.
type node struct {
	tag      byte
	data     []byte  // of a primitive element
	children []*node // of a constructed one
}

// parseNode takes der apart; it holds one element.
func parseNode(t testing.TB, der []byte) *node {
	t.Helper()
	in := cryptobyte.String(der)
	nodes := parseNodes(t, in)
	if len(nodes) != 1 {
		t.Fatalf("%d elements, want 1", len(nodes))
	}
	return nodes[0]
}

func parseNodes(t testing.TB, in cryptobyte.String) []*node {
	t.Helper()
	var nodes []*node
	for !in.Empty() {
		var data cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1(&data, &tag) {
			t.Fatal("not DER")
		}
		n := &node{tag: byte(tag)}
		if tag&0x20 != 0 {
			n.children = parseNodes(t, data)
		} else {
			n.data = data
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *node) bytes() []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(n.tag), func(b *cryptobyte.Builder) {
		b.AddBytes(n.data)
		for _, c := range n.children {
			b.AddBytes(c.bytes())
		}
	})
	return b.BytesOrPanic()
}

// at walks down by positions; a negative one counts from the end.
func (n *node) at(path ...int) *node {
	for _, i := range path {
		if i < 0 {
			i += len(n.children)
		}
		n = n.children[i]
	}
	return n
}

// insert puts more before the i-th child.
func (n *node) insert(i int, more ...*node) {
	n.children = append(n.children[:i:i], append(more, n.children[i:]...)...)
}

func (n *node) remove(i int) {
	n.children = append(n.children[:i:i], n.children[i+1:]...)
}

// leaf makes a primitive element.
func leaf(tag byte, data ...byte) *node { return &node{tag: tag, data: data} }

// group makes a constructed element.
func group(tag byte, children ...*node) *node { return &node{tag: tag, children: children} }

func TestNodeRoundTrip(t *testing.T) {
	der := must(SealWith([]byte("x"), typeSigned, KEK{ID: []byte{1}}))(t)
	if got := parseNode(t, der).bytes(); !bytes.Equal(got, der) {
		t.Errorf("got %x, want %x", got, der)
	}
}
