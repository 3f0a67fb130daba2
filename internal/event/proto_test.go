package event

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// described is a field as event.proto describes it.
type described struct {
	name, kind         string
	number             int
	repeated, optional bool
}

var (
	messageLine = regexp.MustCompile(`^message (\w+) \{$`)
	fieldLine   = regexp.MustCompile(`^  (optional |repeated )?(\w+) (\w+) = (\d+);`)
)

// readProto reads event.proto: the fields of each message, in their order.
func readProto(t *testing.T) map[string][]described {
	t.Helper()
	source, err := os.ReadFile("event.proto")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]described{}
	message := ""
	for line := range strings.Lines(string(source)) {
		line = strings.TrimRight(line, "\n")
		if m := messageLine.FindStringSubmatch(line); m != nil {
			message = m[1]
		} else if m := fieldLine.FindStringSubmatch(line); m != nil {
			number, err := strconv.Atoi(m[4])
			if err != nil {
				t.Fatal(err)
			}
			all[message] = append(all[message], described{name: m[3], kind: m[2], number: number, repeated: m[1] == "repeated ", optional: m[1] == "optional "})
		} else if strings.HasPrefix(line, "  ") {
			t.Errorf("event.proto has a line that this test cannot read: %q", line)
		}
	}
	return all
}

// TestProto holds event.proto to the codec's tables.
func TestProto(t *testing.T) {
	t.Parallel()
	inFile := map[string][]string{}
	for message, fields := range readProto(t) {
		for _, f := range fields {
			inFile[message] = append(inFile[message], fmt.Sprint(f.number, " ", f.name, " ", f.kind == "string" && !f.repeated))
		}
	}
	inCode := map[string][]string{
		"Event": listed(t, eventFields), "Sale": listed(t, saleFields), "Payment": listed(t, paymentFields), "Customer": listed(t, customerFields), "Item": listed(t, itemFields),
	}
	if diff := cmp.Diff(inCode, inFile); diff != "" {
		t.Errorf("event.proto (+) is not what the codec writes (-):\n%s", diff)
	}
}

func listed[T any](t *testing.T, fields []text[T]) []string {
	t.Helper()
	var out []string
	for i, f := range fields[1:] {
		if int(f.number) != i+1 {
			t.Errorf("field %s has number %d, at place %d of its table", f.name, f.number, i+1)
		}
		out = append(out, fmt.Sprint(f.number, " ", f.name, " ", f.get != nil))
	}
	return out
}

// TestProtobufReadsEvents: a program that has event.proto alone reads every field of an event, and what it writes is read here.
func TestProtobufReadsEvents(t *testing.T) {
	t.Parallel()
	kind := descriptorOf(t)
	check := func(t interface {
		Helper()
		Fatal(...any)
		Fatalf(string, ...any)
	}, want *Event) {
		t.Helper()
		raw, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		m := dynamicpb.NewMessage(kind)
		if err := proto.Unmarshal(raw, m); err != nil {
			t.Fatal(err)
		}
		if unknown := unknownFields(m); unknown > 0 {
			t.Fatalf("%d bytes are of no field of event.proto", unknown)
		}
		again, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(again)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
	}
	for _, e := range goldenEvents() {
		check(t, e)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, drawEvent(t)) })
}

// descriptorOf makes a descriptor of the message Event by event.proto.
func descriptorOf(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	types := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
		"int64": descriptorpb.FieldDescriptorProto_TYPE_INT64, "uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32, "sint32": descriptorpb.FieldDescriptorProto_TYPE_SINT32,
	}
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("event.proto"), Package: proto.String("ringup.event"), Syntax: proto.String("proto3")}
	for name, fields := range readProto(t) {
		m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, f := range fields {
			field := &descriptorpb.FieldDescriptorProto{Name: proto.String(f.name), Number: proto.Int32(int32(f.number)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
			if f.repeated {
				field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if scalar, ok := types[f.kind]; ok {
				field.Type = scalar.Enum()
			} else {
				field.Type, field.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".ringup.event."+f.kind)
			}
			if f.optional {
				field.Proto3Optional, field.OneofIndex = proto.Bool(true), proto.Int32(int32(len(m.OneofDecl)))
				m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.name)})
			}
			m.Field = append(m.Field, field)
		}
		file.MessageType = append(file.MessageType, m)
	}
	built, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return built.Messages().ByName("Event")
}

// unknownFields counts the bytes of a message, and of those within it, that belong to no field.
func unknownFields(m protoreflect.Message) int {
	n := len(m.GetUnknown())
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				n += unknownFields(v.List().Get(i).Message())
			}
		default:
			n += unknownFields(v.Message())
		}
		return true
	})
	return n
}
