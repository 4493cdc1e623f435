package identity

import "testing"

// TestClose shows that the keys which can be overwritten are, and that nothing refers to the others any more.
func TestClose(t *testing.T) {
	k := mustNew(t, "alice")
	account, transport, handedOut := k.account, k.transport, k.TransportKey()
	k.Close()
	for name, key := range map[string][]byte{"account": account, "transport": transport} {
		for _, octet := range key {
			if octet != 0 {
				t.Fatalf("the %s key is still in memory", name)
			}
		}
	}
	if k.Administers() || k.signing.key != nil || k.sealing != nil || k.next != nil {
		t.Error("a closed identity has keys")
	}
	if handedOut[0]|handedOut[1]|handedOut[2]|handedOut[3] == 0 {
		t.Error("a key that was handed out before is the holder's to clear")
	}
}
