package overlay

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	dhtpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// directLimit is how long the answer of one device may be: a record, and the
// addresses of twenty devices that this one does not ask for.
const directLimit = 256 << 10

// direct asks one device by the LAN DHT's protocol, each time on a stream of its
// own which may go over a relay. The DHT's own streams may not, and it waits for
// a direct connection while others queue for the same device.
type direct struct{ host host.Host }

var errDirectLong = fmt.Errorf("answer longer than %d octets", directLimit)

// SendRequest implements dhtpb.MessageSender.
func (d direct) SendRequest(ctx context.Context, p peer.ID, m *dhtpb.Message) (*dhtpb.Message, error) {
	body, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "kith lookup"), exchangeTimeout)
	defer cancel()
	s, err := d.host.NewStream(ctx, p, protocolID(lanPrefix+"/kad/1.0.0"))
	if err != nil {
		return nil, err
	}
	defer s.Reset() // no-op once both sides have closed
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(body))), body...)); err != nil {
		return nil, err
	}
	s.CloseWrite() // fails when the other side was quick and is done with the stream
	r := bufio.NewReader(s)
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > directLimit {
		return nil, errDirectLong
	}
	answer, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, err
	}
	if len(answer) < int(n) {
		return nil, io.ErrUnexpectedEOF
	}
	s.Close()
	var out dhtpb.Message
	if err := proto.Unmarshal(answer, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// SendMessage implements dhtpb.MessageSender; asking needs requests only.
func (d direct) SendMessage(context.Context, peer.ID, *dhtpb.Message) error {
	return errors.ErrUnsupported
}
