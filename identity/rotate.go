package identity

import (
	"fmt"
	"time"
)

// Rotate does what is due at now: a new sealing key every week, the deletion of private halves two weeks after their replacement, and a new
// certificate for the signing key 40 days before its end. Call it at start and then daily; after a change, publish a new card. Files are
// replaced before the keys are used, so that a crash leaves the old ones or the new ones. While another call is at work it does nothing.
func (k *Keys) Rotate(now time.Time) (changed bool, err error) {
	now = now.UTC().Truncate(time.Second)
	k.mu.Lock()
	if k.rotating {
		k.mu.Unlock()
		return false, nil
	}
	k.rotating = true
	signing, sealing := k.signing, k.sealing
	k.mu.Unlock()

	newSigning, newSealing, err := k.rotated(signing, sealing, now)
	if err == nil && k.dir != "" {
		err = saveLeaves(k.dir, newSigning, newSealing)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rotating = false
	if err != nil {
		return false, fmt.Errorf("rotate keys: %w", err)
	}
	if newSigning != nil {
		k.signing, changed = *newSigning, true
	}
	if newSealing != nil {
		k.sealing, changed = newSealing, true
	}
	return changed, nil
}

// rotated decides what changes at now; nil is no change.
func (k *Keys) rotated(signing signingLeaf, sealing []sealingLeaf, now time.Time) (*signingLeaf, []sealingLeaf, error) {
	var newSigning *signingLeaf
	if c := signing.certificate; now.After(c.NotAfter.Add(-signingRenewal)) || fromFuture(c.NotBefore, now) {
		from := c.NotBefore // as before, so that what was signed by the old certificate verifies by the new one
		if fromFuture(from, now) {
			from = now.Add(-backdate)
		}
		renewed, err := k.leaf(&signing.key.PublicKey, signingUse, allScopes, from, now.Add(signingLifetime))
		if err != nil {
			return nil, nil, err
		}
		newSigning = &signingLeaf{signing.key, renewed}
	}
	var ring []sealingLeaf
	if c := sealing[0]; !now.Before(c.created().Add(sealingPeriod)) || fromFuture(c.certificate.NotBefore, now) {
		leaf, err := k.newSealing(now)
		if err != nil {
			return nil, nil, err
		}
		ring = append(ring, leaf)
	}
	ring = append(ring, sealing...)
	live := 1
	for live < len(ring) && live < maxRing && now.Before(ring[live-1].created().Add(sealingGrace)) {
		live++
	}
	if len(ring) == len(sealing) && live == len(sealing) {
		return newSigning, nil, nil
	}
	return newSigning, ring[:live:live], nil
}

// fromFuture tells of a certificate made while the clock was ahead: nobody would accept it now.
func fromFuture(notBefore, now time.Time) bool { return notBefore.After(now.Add(clockSkew)) }
