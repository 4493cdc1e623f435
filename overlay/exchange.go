package overlay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kith-im/kith/identity"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// The stream protocols of this package (doc/spec/frames.md section 1). Package
// node has the same names.
const (
	imProtocol       = "/kith/im/1"
	presenceProtocol = "/kith/presence/1"
	deviceProtocol   = "/kith/device/1" // between devices of one person
)

func exchangeProtocols() []string { return []string{imProtocol, presenceProtocol, deviceProtocol} }

// exchangeTimeout bounds an exchange, on both sides, with all that is needed for
// it.
const exchangeTimeout = 15 * time.Second

var (
	errSelf     = errors.New("that is this device")
	errProtocol = errors.New("not a protocol of exchanges")
	errRefused  = errors.New("refused by the other device")
	errKind     = errors.New("sealed to an audience where an exchange belongs, or the reverse")
)

// Exchange connects to a device, over a relay if need be, sends it a request and
// returns its response, within 15 s. An error says that there was no response.
func (o *Overlay) Exchange(ctx context.Context, protocol string, to identity.Reach, request identity.Sealed) (identity.Sealed, error) {
	if !slices.Contains(exchangeProtocols(), protocol) {
		return identity.Sealed{}, fmt.Errorf("exchange by %q: %w", protocol, errProtocol)
	}
	info, err := parseReach(to)
	if err != nil {
		return identity.Sealed{}, fmt.Errorf("exchange: %w", err)
	}
	answer, err := o.transact(ctx, protocol, info, frame{frameRequest, maxForwards, request.Bytes()})
	if err != nil {
		return identity.Sealed{}, fmt.Errorf("exchange with %s: %w", short(info.ID), err)
	}
	if answer.kind != frameResponse {
		return identity.Sealed{}, fmt.Errorf("exchange with %s: %w", short(info.ID), errRefused)
	}
	response, err := identity.ParseSealed(answer.body)
	if err != nil {
		o.gate.offend(info.ID, "response", err)
		return identity.Sealed{}, fmt.Errorf("response of %s: %w", short(info.ID), err)
	}
	return response, nil
}

// push hands a publication to one device and waits until it says that it took
// it.
func (o *Overlay) push(ctx context.Context, to peer.AddrInfo, s identity.Sealed) error {
	answer, err := o.transact(ctx, presenceProtocol, to, frame{framePush, maxForwards, s.Bytes()})
	if err != nil {
		return fmt.Errorf("push to %s: %w", short(to.ID), err)
	}
	if answer.kind != frameTaken {
		return fmt.Errorf("push to %s: %w", short(to.ID), errRefused)
	}
	return nil
}

// transact sends one frame on a stream of its own and reads one back.
func (o *Overlay) transact(ctx context.Context, protocol string, to peer.AddrInfo, f frame) (frame, error) {
	if to.ID == o.host.ID() {
		return frame{}, errSelf
	}
	out, err := f.marshal()
	if err != nil {
		return frame{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	s, err := o.stream(ctx, to, protocol)
	if err != nil {
		return frame{}, err
	}
	defer s.Reset() // no-op once both sides have closed
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	if _, err := s.Write(out); err != nil {
		return frame{}, fmt.Errorf("send: %w", err)
	}
	s.CloseWrite() // fails when the other side was quick and is done with the stream
	in, err := readFrame(s)
	if err != nil {
		return frame{}, fmt.Errorf("receive: %w", err)
	}
	s.Close()
	return in, nil
}

// stream connects if needed, trying all addresses, and opens a stream.
func (o *Overlay) stream(ctx context.Context, to peer.AddrInfo, protocol string) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	introduce(o.host, to)
	s, err := o.host.NewStream(network.WithAllowLimitedConn(ctx, "kith exchange"), to.ID, protocolID(protocol))
	if err != nil {
		return nil, unnamed(err)
	}
	return s, nil
}

// serveExchange answers one request or push. The gate has admitted it.
func (o *Overlay) serveExchange(s network.Stream) {
	serving, h, leave := o.gate.enter()
	if h == nil {
		s.Reset()
		return
	}
	defer leave()
	ctx, cancel := context.WithTimeout(serving, exchangeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)

	from := s.Conn().RemotePeer()
	if err := s.Scope().ReserveMemory(frameLimit, network.ReservationPriorityMedium); err != nil {
		s.Reset()
		return
	}
	defer s.Scope().ReleaseMemory(frameLimit)
	in, err := readFrame(s)
	if err != nil {
		o.gate.offend(from, "frame", err)
		s.Reset()
		return
	}
	out, err := o.answer(ctx, h, string(s.Protocol()), from, in)
	if err != nil {
		s.Reset()
		return
	}
	b, err := out.marshal()
	if err != nil {
		o.log.Error("answer too long", "peer", short(from), "err", err)
		s.Reset()
		return
	}
	if _, err := s.Write(b); err != nil {
		s.Reset()
		return
	}
	s.Close()
}

// answer gives the handler what a frame brought. An error leaves it unanswered.
func (o *Overlay) answer(ctx context.Context, h Handler, protocol string, from peer.ID, in frame) (frame, error) {
	push := in.kind == framePush && protocol == presenceProtocol
	if !push && in.kind != frameRequest {
		o.gate.offend(from, "frame type", errFrameType)
		return frame{}, errFrameType
	}
	sealed, err := identity.ParseSealed(in.body)
	if err == nil && push != (sealed.KEKID() != nil) {
		err = errKind
	}
	if err != nil {
		o.gate.offend(from, "sealed object", err)
		return frame{}, err
	}
	if push {
		if _, err := h.Hear(ctx, from.String(), sealed); err != nil {
			o.gate.offend(from, "publication", err)
			return frame{kind: frameRefused}, nil
		}
		return frame{kind: frameTaken}, nil
	}
	response, err := h.Answer(ctx, protocol, from.String(), sealed)
	if err != nil {
		o.log.Debug("request unanswered", "peer", short(from), "err", err)
		return frame{}, err
	}
	return frame{frameResponse, maxForwards, response.Bytes()}, nil
}
