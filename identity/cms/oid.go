package cms

// Object identifiers: the content octets of their DER encoding.
const (
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"         // id-data, RFC 5652 section 4
	oidSignedData    = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"         // id-signedData, RFC 5652 section 5.1
	oidEnveloped     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"         // id-envelopedData, RFC 5652 section 6.1
	oidAuthEnveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17" // id-ct-authEnvelopedData, RFC 5083

	oidContentType   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03" // RFC 5652 section 11.1
	oidMessageDigest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04" // RFC 5652 section 11.2
	oidSigningTime   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05" // RFC 5652 section 11.3

	oidStdDHSHA1    = "\x2b\x81\x05\x10\x86\x48\x3f\x00\x02"         // dhSinglePass-stdDH-sha1kdf-scheme, RFC 5753
	oidStdDHSHA256  = "\x2b\x81\x04\x01\x0b\x01"                     // dhSinglePass-stdDH-sha256kdf-scheme
	oidStdDHHKDF256 = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x13" // dhSinglePass-stdDH-hkdf-sha256-scheme, RFC 8418
	oidAES128CBC    = "\x60\x86\x48\x01\x65\x03\x04\x01\x02"         // RFC 3565 section 2.2
	oidAES256CBC    = "\x60\x86\x48\x01\x65\x03\x04\x01\x2a"
	oidAES128GCM    = "\x60\x86\x48\x01\x65\x03\x04\x01\x06"     // RFC 5084 section 3.2
	oidAES256GCM    = "\x60\x86\x48\x01\x65\x03\x04\x01\x2e"     //
	oidECPublicKey  = "\x2a\x86\x48\xce\x3d\x02\x01"             // id-ecPublicKey, RFC 5480
	algHeaderAES    = "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03" // start of an AES algorithm without parameters
)

// Whole algorithm identifiers. Compared octet by octet, they leave no room for
// parameters that nobody asked for.
const (
	algSHA256     = "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"         // parameters absent, RFC 5754 section 2
	algSHA256NULL = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00" // read, not written
	algSHA512     = "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03"         // RFC 8419 section 3.1: absent

	algSHA512NULL = "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00" // read, not written

	algECDSA     = "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"             // ecdsa-with-SHA256, RFC 5753
	algEd25519   = "\x30\x05\x06\x03\x2b\x65\x70"                                 // RFC 8419
	algRSA       = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00" // rsaEncryption, RFC 3370 section 3.2
	algRSASHA256 = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00" // sha256WithRSAEncryption, RFC 5754
	algRSASHA512 = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00" // sha512WithRSAEncryption

	algX25519 = "\x30\x05\x06\x03\x2b\x65\x6e" // RFC 8410

	algAES128Wrap = algHeaderAES + "\x04\x01\x05" // id-aes128-wrap, RFC 3565 section 2.3.2
	algAES256Wrap = algHeaderAES + "\x04\x01\x2d" // id-aes256-wrap

	algECPublicKey     = "\x30\x09\x06\x07" + oidECPublicKey                                              // parameters absent
	algECPublicKeyNULL = "\x30\x0b\x06\x07" + oidECPublicKey + "\x05\x00"                                 // RFC 5753 section 3.1.1: legacy
	algECPublicKeyP256 = "\x30\x13\x06\x07" + oidECPublicKey + "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07" // namedCurve secp256r1
)
