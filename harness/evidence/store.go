package evidence

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// document is the JSON form of a run.
type document struct {
	*Run
	Pcap *pcapFile `json:"pcap,omitempty"`
}

// pcapFile says where the packets of a run are.
type pcapFile struct {
	File    string `json:"file"` // beside the JSON
	Packets int    `json:"packets"`
	// Fates are those of the packets that have one, by frame number: pcapng has no place for them.
	Fates map[int]Fate `json:"fates,omitempty"`
}

// Files are the files of a run, without their folder; Pcapng is empty where nothing was captured.
type Files struct{ JSON, Pcapng string }

// FileBase is the name of a scenario as files bear it: "server/plain" is "server-plain".
func FileBase(scenario string) string {
	base := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, scenario)
	base = strings.Trim(base, ".")
	if base == "" {
		return "run"
	}
	return base[:min(len(base), 200)]
}

// Save writes a run into a folder, which must be there: NAME.json, and NAME.pcapng where there was a
// capture, with NAME from [FileBase]. Each file is written as a whole or not at all.
func (r *Run) Save(dir string) (Files, error) {
	base := FileBase(r.Scenario)
	files := Files{JSON: base + ".json"}
	doc := document{Run: r}
	if len(r.Packets) > 0 || len(r.Interfaces) > 0 {
		files.Pcapng = base + ".pcapng"
		doc.Pcap = &pcapFile{File: files.Pcapng, Packets: len(r.Packets), Fates: r.fates()}
		if err := WriteFile(filepath.Join(dir, files.Pcapng), func(w io.Writer) error { return WritePcapng(w, r) }); err != nil {
			return Files{}, err
		}
	}
	if err := WriteFile(filepath.Join(dir, files.JSON), func(w io.Writer) error { return writeJSON(w, doc) }); err != nil {
		return Files{}, err
	}
	return files, nil
}

func (r *Run) fates() map[int]Fate {
	var fates map[int]Fate
	for _, p := range r.Packets {
		if p.Fate != "" {
			if fates == nil {
				fates = map[int]Fate{}
			}
			fates[p.N] = p.Fate
		}
	}
	return fates
}

// WriteJSON writes a run without its packets.
func WriteJSON(w io.Writer, run *Run) error { return writeJSON(w, document{Run: run}) }

func writeJSON(w io.Writer, doc document) error {
	out := *doc.Run
	out.Schema = Schema
	doc.Run = &out
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(doc); err != nil {
		return fmt.Errorf("encode the run of %s: %w", out.Scenario, err)
	}
	return nil
}

// ReadJSON reads a run without its packets.
func ReadJSON(r io.Reader) (*Run, error) {
	doc, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	return doc.Run, nil
}

func readJSON(r io.Reader) (*document, error) {
	doc := &document{Run: &Run{}}
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(doc); err != nil {
		return nil, fmt.Errorf("before byte %d: %w", decoder.InputOffset()+1, err)
	}
	if doc.Run == nil || doc.Schema != Schema {
		return nil, fmt.Errorf("its schema is %q, not %q", doc.Schema, Schema)
	}
	return doc, nil
}

// Load reads a run from its JSON file, and its packets from the capture beside it. The error says which file
// is wrong and where.
func Load(path string) (*Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", path, bare(err))
	}
	defer file.Close()
	doc, err := readJSON(file)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", path, err)
	}
	if doc.Pcap == nil {
		return doc.Run, nil
	}
	name := doc.Pcap.File
	if name != filepath.Base(name) || name == "." || name == ".." || name == string(filepath.Separator) {
		return nil, fmt.Errorf("read run %s: its capture %q is not a file beside it", path, name)
	}
	capture, err := ReadCaptureFile(filepath.Join(filepath.Dir(path), name))
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", path, err)
	}
	if len(capture.Packets) != doc.Pcap.Packets {
		return nil, fmt.Errorf("read run %s: %s has %d packets, not %d", path, name, len(capture.Packets), doc.Pcap.Packets)
	}
	doc.join(capture)
	return doc.Run, nil
}

// join puts the packets into the run.
func (d *document) join(capture *Capture) {
	if len(d.Interfaces) == 0 {
		d.Interfaces = capture.Interfaces
	}
	for _, p := range capture.Packets {
		p.Fate = d.Pcap.Fates[p.N]
		d.Packets = append(d.Packets, p)
	}
}
