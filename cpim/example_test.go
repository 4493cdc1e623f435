package cpim_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/cpim"
)

func Example() {
	sent, err := cpim.New(cpim.Draft{
		From:      cpim.Mailbox{Name: "Piglet", URI: "im:piglet@100akerwood.com"},
		To:        []cpim.Mailbox{{Name: "Pooh, Winnie", URI: "im:pooh@100akerwood.com"}},
		DateTime:  time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		MessageID: "4TMGQ3JXV2KSZ7WDNB5YH6LRCA", // cpim.NewMessageID()
		Subjects:  []cpim.Subject{{Lang: "en", Text: "tea"}},
		Content:   cpim.NewText("At four?"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := sent.Marshal()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(string(b), "\r\n", "\n"))

	got, err := cpim.Parse(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := cpim.CheckRequire(got, func(ns, name string) bool { return false }); err != nil {
		fmt.Println(err)
		return
	}
	if err := cpim.CheckProfile(got); err != nil {
		fmt.Println(err)
		return
	}
	text, err := got.Content().Text()
	fmt.Println("---")
	fmt.Println(got.To()[0].Name, "reads:", text, err)
	// Output:
	// NS: imdn <urn:ietf:params:imdn>
	// From: Piglet <im:piglet@100akerwood.com>
	// To: "Pooh, Winnie"<im:pooh@100akerwood.com>
	// DateTime: 2026-11-20T10:00:00Z
	// imdn.Message-ID: 4TMGQ3JXV2KSZ7WDNB5YH6LRCA
	// Subject:;lang=en tea
	//
	// Content-Type: text/plain; charset=utf-8
	//
	// At four?
	// ---
	// Pooh, Winnie reads: At four? <nil>
}

func ExampleSyntaxError() {
	_, err := cpim.Parse([]byte("From: Pooh, Winnie <im:pooh@100akerwood.com>\r\n"))
	if e, ok := errors.AsType[*cpim.SyntaxError](err); ok {
		fmt.Println(e.Line, e.Section)
	}
	// Output: 1 RFC 3862 4.1
}
