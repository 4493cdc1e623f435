// Package identity is people: their addresses, keys, certificates and cards, and what they sign, seal, open and verify. It is the only
// user of private keys and the only place that decides whom a signature speaks for.
//
// Start with [ParseAddress] for what somebody typed, and with [Create], [Open] or [New] for one's own [Keys]. Keys make the two
// things that may cross to a network: a [SignedCard] (what others need to reach and to seal to a person, stored in the DHT as
// [Record] values) and a [Sealed] object (a signed MIME [Entity], sealed to devices or to an audience's [Epoch]). The way back is
// [OpenRecord] and [Keys.Open] or [Epoch.Open], which give nothing unless the signature, the certificate chain up to the key of the
// domain in the address, the scope of the device and the newest card of its person allow. What a reader knows already, it passes as [Known].
//
// Keys are one person's on one device. The account key is only on devices that administer ([Keys.Administers]); a further device makes keys of its own
// ([NewPending]), has them certified ([Keys.Certify], [Pending.Accept]) and renewed ([Keys.Renewal]) by one that does. An account under a domain key that
// is not its own is certified by the domain's holder ([CreateDomain], [Domain.Enrol], [AcceptAccount]). [Keys.WriteBackup] and [Keys.Phrase] keep what a
// lost device would take with it; [Invitation] and [Verification] are for people who meet.
//
// Values are valid because only their Parse and New functions make them; those functions take hostile octets, check limits before they
// allocate, and return nothing beside an error. The layouts are in doc/spec: address.md, identity.md, address-record.md, objects.md,
// smime-profile.md and backup.md.
//
// Limits: a card has at most 8 devices and 1024 octets of reach for each, a record 8 KiB, an entity 256 KiB, a sealed object 300 KiB
// (doc/spec/limits.md has all).
// Sealing has no forward secrecy finer than the weekly change of sealing keys, and an [Epoch] key opens all that its audience got.
package identity
