package identity

import (
	"crypto/ecdsa"
	"fmt"
	"path/filepath"
	"time"
)

// Rotate does what is due at now: a new sealing key every week, the deletion of private halves two weeks after their replacement, and a new
// certificate for the signing key 40 days before its end. On a device without the account key it only makes the next sealing key and deletes old ones; the rest is
// asked for by [Keys.Renewal]. Call it at start and then daily; after a change, publish a new card. Files are replaced before the keys are used, so that a crash leaves
// the old ones or the new ones. While another call is at work it does nothing.
func (k *Keys) Rotate(now time.Time) (changed bool, err error) {
	now = now.UTC().Truncate(time.Second)
	k.mu.Lock()
	if k.rotating {
		k.mu.Unlock()
		return false, nil
	}
	k.rotating = true
	old := ring{k.signing, k.sealing, k.next}
	k.mu.Unlock()

	fresh, err := k.rotated(old, now)
	if err == nil && k.dir != "" {
		err = k.saveRing(old, fresh)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rotating = false
	if err != nil {
		return false, fmt.Errorf("rotate keys: %w", err)
	}
	k.signing, k.sealing, k.next = fresh.signing, fresh.sealing, fresh.next
	return fresh.signing.certificate != old.signing.certificate || fresh.sealing[0].certificate != old.sealing[0].certificate, nil
}

// ring is what rotation replaces.
type ring struct {
	signing signingLeaf
	sealing []sealingLeaf     // newest first, at least one
	next    *ecdsa.PrivateKey // waits for its certificate; nil if none
}

// saveRing writes what differs.
func (k *Keys) saveRing(old, fresh ring) error {
	if fresh.next != old.next {
		text, err := encodeKey(fresh.next)
		if err != nil {
			return err
		}
		defer clear(text)
		if err := writeFile(filepath.Join(k.dir, nextKey), text); err != nil {
			return err
		}
	}
	var signing *signingLeaf
	if fresh.signing.certificate != old.signing.certificate {
		signing = &fresh.signing
	}
	var sealing []sealingLeaf
	if len(fresh.sealing) != len(old.sealing) || fresh.sealing[0].certificate != old.sealing[0].certificate {
		sealing = fresh.sealing
	}
	return saveLeaves(k.dir, signing, sealing)
}

// rotated decides what is to be at now.
func (k *Keys) rotated(old ring, now time.Time) (ring, error) {
	fresh := old
	c := old.signing.certificate
	renew := now.After(c.NotAfter.Add(-signingRenewal)) || fromFuture(c.NotBefore, now)
	replace := !now.Before(old.sealing[0].created().Add(sealingPeriod)) || fromFuture(old.sealing[0].certificate.NotBefore, now)
	if !k.Administers() {
		if (replace || renew) && old.next == nil {
			key, err := generateKey()
			if err != nil {
				return ring{}, err
			}
			fresh.next = key
		}
		fresh.sealing = live(fresh.sealing, now)
		return fresh, nil
	}
	if renew {
		if err := k.renewSigning(&fresh, now); err != nil {
			return ring{}, err
		}
	}
	if replace {
		key, err := generateKey()
		if err != nil {
			return ring{}, err
		}
		leaf, err := k.newSealing(key, now)
		if err != nil {
			return ring{}, err
		}
		fresh.sealing = append([]sealingLeaf{leaf}, old.sealing...)
	}
	fresh.sealing = live(fresh.sealing, now)
	return fresh, nil
}

// renewSigning makes a new certificate for the signing key. It begins as before, so that what was signed by the old certificate verifies by the new.
func (k *Keys) renewSigning(r *ring, now time.Time) error {
	from := r.signing.certificate.NotBefore
	if fromFuture(from, now) {
		from = now.Add(-backdate)
	}
	renewed, err := k.certify(leafTemplate{&r.signing.key.PublicKey, signingUse, allScopes, nil, from, now.Add(signingLifetime)})
	if err != nil {
		return err
	}
	r.signing = signingLeaf{r.signing.key, renewed}
	return nil
}

// live drops sealing keys whose successor is two weeks old, and those beyond the sixteenth.
func live(sealing []sealingLeaf, now time.Time) []sealingLeaf {
	n := 1
	for n < len(sealing) && n < maxRing && now.Before(sealing[n-1].created().Add(sealingGrace)) {
		n++
	}
	return sealing[:n:n]
}

// fromFuture tells of a certificate made while the clock was ahead: nobody would accept it now.
func fromFuture(notBefore, now time.Time) bool { return notBefore.After(now.Add(clockSkew)) }
