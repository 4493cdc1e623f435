package imdn_test

import (
	"fmt"
	"time"

	"github.com/kith-im/kith/cpim"
	"github.com/kith-im/kith/cpim/imdn"
)

// Alice asks, Bob answers, Alice reads.
func Example() {
	draft := cpim.Draft{
		From:      cpim.Mailbox{Name: "Alice", URI: "im:alice@example.com"},
		To:        []cpim.Mailbox{{Name: "Bob", URI: "im:bob@example.com"}},
		DateTime:  time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		MessageID: "34jk324j", // left out, AddRequest makes one
		Content:   cpim.NewText("Hello World"),
	}
	if err := imdn.AddRequest(&draft, imdn.WantDelivered, imdn.WantDisplayed); err != nil {
		fmt.Println(err)
		return
	}
	message, err := cpim.New(draft)
	if err != nil {
		fmt.Println(err)
		return
	}

	var sent imdn.Sent // what Bob has sent for this message so far
	report := imdn.Report{
		Disposition: imdn.Delivered,
		From:        message.To()[0],
		Time:        time.Date(2026, 11, 20, 10, 0, 1, 0, time.UTC),
		Sent:        sent,
	}
	answer, err := imdn.Answer(message, report)
	if err != nil {
		fmt.Println(err)
		return
	}
	notification, err := cpim.New(answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	sent = sent.With(report.Disposition.Type())

	list, err := imdn.Read(notification)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range list {
		fmt.Println(n.MessageID, n.Recipient, n.Disposition)
	}
	report.Sent = sent
	_, err = imdn.Answer(message, report)
	fmt.Println(err)
	// Output:
	// 34jk324j im:bob@example.com delivery-notification delivered
	// imdn: delivery-notification delivered: a notification of that type has been sent
}
