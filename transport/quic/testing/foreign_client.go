// A client that nobody here wrote the protocol stack of: quic-go. It prints one line for each thing that it saw.
//
// Arguments: address, CA file, certificate file or "-", key file or "-", then requests, each a JSON text and the number of
// frames to read.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/lucas-clemente/quic-go"
)

func main() {
	address, caFile, certificateFile, keyFile := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ca, err := os.ReadFile(caFile)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	config := &tls.Config{RootCAs: roots, ServerName: "palyrad", NextProtos: []string{"palyra-quic-v1"}}
	if certificateFile != "-" {
		certificate, err := tls.LoadX509KeyPair(certificateFile, keyFile)
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := quic.DialAddrContext(ctx, address, config, nil)
	if err != nil {
		report(err)
		return
	}
	for index := 5; index+1 < len(os.Args); index += 2 {
		frames, err := strconv.Atoi(os.Args[index+1])
		if err != nil {
			panic(err)
		}
		if err := request(ctx, connection, []byte(os.Args[index]), frames); err != nil {
			report(err)
			return
		}
	}
	connection.CloseWithError(0, "")
}

// request writes one framed request on a stream of its own, with a FIN alone after it, and prints the frames that come.
func request(ctx context.Context, connection quic.Connection, payload []byte, frames int) error {
	stream, err := connection.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	stream.SetDeadline(deadline)
	header := make([]byte, 4)
	binary.BigEndian.PutUint32(header, uint32(len(payload)))
	if _, err := stream.Write(append(header, payload...)); err != nil {
		return err
	}
	if err := stream.Close(); err != nil {
		return err
	}
	for count := 0; count < frames; count++ {
		if _, err := io.ReadFull(stream, header); err != nil {
			return err
		}
		answer := make([]byte, binary.BigEndian.Uint32(header))
		if _, err := io.ReadFull(stream, answer); err != nil {
			return err
		}
		fmt.Printf("frame %s\n", answer)
	}
	stream.CancelRead(0)
	return nil
}

func report(err error) {
	var transport *quic.TransportError
	var application *quic.ApplicationError
	switch {
	case errors.As(err, &transport):
		fmt.Printf("transport %d remote=%t %s\n", uint64(transport.ErrorCode), transport.Remote, transport.ErrorMessage)
	case errors.As(err, &application):
		fmt.Printf("application %d remote=%t %s\n", uint64(application.ErrorCode), application.Remote, application.ErrorMessage)
	default:
		fmt.Printf("error %v\n", err)
	}
}
