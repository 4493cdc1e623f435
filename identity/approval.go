package identity

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
)

const approvalContext = "kith approval v1"

// Approval gives what tells this principal, also after the loss of everything but the account key, that they once approved of who: 16 octets of an HMAC
// under a key that only the account key gives. It is false on a device without the account key (doc/spec/operations.md, 3).
func (k *Keys) Approval(who Address) ([16]byte, bool) {
	if !k.Administers() || who.IsZero() {
		return [16]byte{}, false
	}
	seed := k.account.Seed()
	defer clear(seed)
	key, err := hkdf.Key(sha256.New, seed, nil, approvalContext, sha256.Size)
	if err != nil {
		return [16]byte{}, false // cannot be: the length fits the hash
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(who.String()))
	return [16]byte(mac.Sum(nil)[:16]), true
}
