// Command lecture makes the lecture set anew: it plays each scene with two real programs on a real network,
// and writes its capture, its record, its pictures, and the two pages that say what to point at.
//
//	go run ./pcaps/lecture                  # from the top folder; plays every scene
//	go run ./pcaps/lecture 01-handshake     # plays these scenes only
//	go run ./pcaps/lecture -draw            # plays nothing, draws from the records that are there
//
// No number on the pages is written by hand: each frame and each call is looked up in the record by what it
// is (a [point]), and what a page says of it beyond that is checked there too (a [claim]). Playing needs Linux
// with namespaces, packet capture and ptrace, root or not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"tcpwitness/harness/evidence"
	"tcpwitness/harness/sandbox"
)

func main() {
	beActor()
	sandbox.EnterOrExit()
	out := flag.String("out", filepath.Join("pcaps", "lecture"), "the folder to write to")
	draw := flag.Bool("draw", false, "play nothing; draw from the records that are there")
	flag.Parse()
	if err := run(*out, *draw, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run plays the scenes with these names, all where there are none, and writes the set.
func run(folder string, draw bool, names []string) error {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no folder %s here: start this from the top folder, or name one with -out", folder)
	}
	for _, name := range names {
		if !slices.ContainsFunc(scenes(), func(s *scene) bool { return s.name == name }) {
			return fmt.Errorf("there is no scene %s", name)
		}
	}
	if !draw {
		runs, err := playAll(context.Background(), names)
		if err != nil {
			if errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("the scenes cannot be played here: %w", err)
			}
			return err
		}
		for _, played := range runs {
			if _, err := played.Save(folder); err != nil {
				return err
			}
			fmt.Printf("%s: %d frames, %d calls\n", played.Scenario, len(played.Packets), len(played.Calls))
		}
	}
	files, err := published(folder)
	if err != nil {
		return err
	}
	for name, content := range files {
		err := evidence.WriteFile(filepath.Join(folder, name), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// published are the files that are made from the records in a folder: pictures and pages, by name.
func published(folder string) (map[string][]byte, error) {
	files := map[string][]byte{}
	var told []chapter
	for _, s := range scenes() {
		run, err := evidence.Load(filepath.Join(folder, s.name+".json"))
		if err != nil {
			return nil, err
		}
		c, err := s.tell(run)
		if err != nil {
			return nil, err
		}
		for name, svg := range c.pictures() {
			files[name] = []byte(svg)
		}
		told = append(told, c)
	}
	for _, p := range pages() {
		files[p.file] = p.write(told)
	}
	return files, nil
}
