package identity

import "testing"

func BenchmarkVerify(b *testing.B) {
	k := mustNew(b, "alice")
	s, known := mustSign(b, k, message("hello"), true), mustCard(b, k, 1).Card()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(s, known.Known(), testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k := mustNew(b, "alice")
	known := mustCard(b, k, 1).Card()
	sealed, err := k.SealTo(mustSign(b, k, message("hello"), false), known)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(sealed, known.Known(), testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignCard(b *testing.B) {
	k := mustNew(b, "alice")
	b.ReportAllocs()
	for b.Loop() {
		mustCard(b, k, 1)
	}
}

func BenchmarkCheckRecord(b *testing.B) {
	r := mustCard(b, mustNew(b, "alice"), 1).Records()[0]
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckRecord(r.Key, r.Value, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenRecord(b *testing.B) {
	k := mustNew(b, "alice")
	r := mustCard(b, k, 1).Records()[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenRecord(Locator{Address: k.Address()}, r.Key, r.Value, testTime); err != nil {
			b.Fatal(err)
		}
	}
}
