package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kith": main})
}

// TestScripts runs what a user could type, as real processes on loopback.
// Beside the commands of testscript there are
//
//	until PATTERN COMMAND...   repeat a command until its output matches
//	code N COMMAND...          run a command, which must end with this exit code
//	keep VARIABLE FIELD        put a field of the JSON just printed into a variable;
//	                           of a list, its first element
//	crlf FILE...               end the lines of files as mail does
//	catch FILE FIELD VARIABLE  wait for a field of JSON in the first line of a file,
//	                           and put it into a variable
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: false,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "code": code, "keep": keep, "crlf": crlf, "catch": catch},
	})
}

// patience is how long until repeats a command. It is far more than what a
// command needs on a slow machine.
const patience = 40 * time.Second

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		err := ts.Exec(args[1], args[2:]...) // its failure is like silence
		if pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("no %q within %v; the last time: %v\n%s%s", args[0], patience, err, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		}
	}
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exited, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exited.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep VARIABLE FIELD")
	}
	var fields map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &fields))
	value := fields[args[1]]
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	if value == nil {
		ts.Fatalf("no field %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

func catch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: catch FILE FIELD VARIABLE")
	}
	for end := time.Now().Add(patience); ; <-time.After(50 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // not there yet is like empty
		line, _, _ := strings.Cut(string(text), "\n")
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err == nil && fields[args[1]] != nil {
			ts.Setenv(args[2], fmt.Sprint(fields[args[1]]))
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("no field %s in %q within %v", args[1], text, patience)
		}
	}
}

func crlf(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := strings.ReplaceAll(ts.ReadFile(file), "\n", "\r\n")
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// TestHelp holds every command to an example, a description and JSON.
func TestHelp(t *testing.T) {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	for _, cmd := range a.command().Commands() {
		switch cmd.Name() {
		case "help", "completion":
			continue
		}
		if cmd.Example == "" || cmd.Short == "" || cmd.GroupID == "" {
			t.Errorf("%s lacks an example, a short description or a group", cmd.Name())
		}
		if cmd.InheritedFlags().Lookup("json") == nil {
			t.Errorf("%s has no --json", cmd.Name())
		}
	}
}
