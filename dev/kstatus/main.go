// Kstatus tells what kstatus, by which Flux and Helm wait, makes of objects.
//
// It reads objects from standard input, each a JSON document, and writes a line for each: the status, a tab, the message.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if err := tell(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func tell(in io.Reader, out io.Writer) error {
	for decoder := json.NewDecoder(bufio.NewReader(in)); ; {
		object := unstructured.Unstructured{}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		found, err := status.Compute(&object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s\t%s\n", found.Status, found.Message); err != nil {
			return err
		}
	}
}
