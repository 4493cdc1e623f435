package control

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kith-im/kith/identity"
)

// maxPut is how many records one call stores.
const maxPut = 16

// putInput is what put-records takes.
type putInput struct {
	Records []putRecord `json:"records" minItems:"1" maxItems:"16"`
}

type putRecord struct {
	Key   string `json:"key" maxLength:"64" doc:"of the DHT: /kith/ and 52 characters"`
	Value string `json:"value" maxLength:"10924" contentEncoding:"base64" doc:"the record"`
}

type putOutput struct {
	Acks int `json:"acks" doc:"other devices that acknowledged the record that the fewest did"`
}

func (s *Server) registerRecords(api huma.API) {
	huma.Register(api, operation(api, "put-records", http.MethodPost, "/v1/records", "Store records of somebody else in the DHT, such as an expired name of a domain"),
		func(ctx context.Context, in *struct{ Body putInput }) (*reply[putOutput], error) {
			var records []identity.Record
			now := time.Now()
			for i, r := range in.Body.Records {
				value, err := base64.StdEncoding.DecodeString(r.Value)
				if err != nil {
					return nil, badInput(fmt.Sprintf("record %d is not base64", i), "")
				}
				if err := identity.CheckRecord(r.Key, value, now); err != nil {
					continue // not yet, or not any more
				}
				records = append(records, identity.Record{Key: r.Key, Value: value})
			}
			if len(records) == 0 {
				return nil, badInput("none of the records is good now", "compare the clocks of the machines")
			}
			acks, err := s.cfg.Net.Put(ctx, records)
			if err != nil {
				return nil, problem(err)
			}
			return &reply[putOutput]{putOutput{acks}}, nil
		})
}

// PutRecords stores records in the DHT through the node, and says how many other
// devices acknowledged the one that the fewest did.
func (c *Client) PutRecords(ctx context.Context, records []identity.Record) (acks int, err error) {
	in := putInput{}
	for _, r := range records {
		if len(in.Records) == maxPut {
			break
		}
		in.Records = append(in.Records, putRecord{r.Key, base64.StdEncoding.EncodeToString(r.Value)})
	}
	out, err := call[putOutput](ctx, c, http.MethodPost, "/v1/records", in)
	return out.Acks, err
}
