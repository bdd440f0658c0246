// Verifies requests to a webhook by their certificate, as SNS has it, both versions.
//
//	go run verify.go <address of the server's pages> <file of receiver.mjs> ...
package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

var notification = []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
var confirmation = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}

// verify says why the server did not sign this body; nil when it did. An envelope may name anybody's certificate, so it must be
// one of those on the server's own pages.
func verify(body, pages string) error {
	var envelope map[string]any
	if err := json.Unmarshal([]byte(body), &envelope); err != nil {
		return err
	}
	text := func(name string) string { value, _ := envelope[name].(string); return value }
	if !strings.HasPrefix(text("SigningCertURL"), pages+"/SimpleNotificationService-") {
		return errors.New("the certificate is somewhere else")
	}
	key, err := publicKey(text("SigningCertURL"))
	if err != nil {
		return err
	}
	names := confirmation
	if text("Type") == "Notification" {
		names = notification
	}
	var signed strings.Builder
	for _, name := range names {
		if _, isThere := envelope[name]; isThere {
			fmt.Fprintf(&signed, "%s\n%s\n", name, text(name))
		}
	}
	signature, err := base64.StdEncoding.DecodeString(text("Signature"))
	if err != nil {
		return err
	}
	if text("SignatureVersion") == "1" {
		digest := sha1.Sum([]byte(signed.String()))
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature)
	}
	digest := sha256.Sum256([]byte(signed.String()))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}

// publicKey of the certificate at a URL. Keep it: it changes seldom, and its name with it.
func publicKey(url string) (*rsa.PublicKey, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	bytes, err := io.ReadAll(io.LimitReader(response.Body, 65536))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(bytes)
	if block == nil {
		return nil, errors.New("there is no certificate")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, isRsa := certificate.PublicKey.(*rsa.PublicKey)
	if !isRsa {
		return nil, errors.New("the key is not RSA")
	}
	return key, nil
}

func main() {
	pages := os.Args[1]
	for _, path := range os.Args[2:] {
		bytes, err := os.ReadFile(path)
		var request struct{ Body string }
		if err == nil {
			err = json.Unmarshal(bytes, &request)
		}
		if err == nil {
			err = verify(request.Body, pages)
		}
		changed := strings.Replace(request.Body, `"Message":"`, `"Message":"!`, 1)
		if err == nil && verify(changed, pages) == nil {
			err = errors.New("so is another message")
		}
		if err != nil {
			fmt.Printf("%s: NOT SIGNED: %v\n", path, err)
			os.Exit(1)
		}
		fmt.Printf("%s: signed\n", path)
	}
}
