// SPDX-License-Identifier: GPL-2.0-or-later
/* QMP below its sockets: messages, arguments, schema, sessions. */
#include "cmocka_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/message.h"
#include "control/qmp.h"
#include "control/schema.h"

/* ---- messages ---------------------------------------------------------------- */

/* What a stream is cut into: "<message>" each, ! for what is broken. */
static void cut(const char *text, size_t len, size_t chunk, char *out)
{
	struct message_scan scan = { 0 };
	enum message_result result;
	size_t from = 0, have = 0;

	*out = '\0';
	while (have < len) {
		have = len - have < chunk ? len : have + chunk;
		for (;;) {
			result = message_next(&scan, text + from, have - from);
			if (result == MESSAGE_MORE)
				break;
			out += sprintf(out, "%s<%.*s>",
				       result == MESSAGE_WHOLE ? "" : "!",
				       (int)(scan.pos - scan.start),
				       text + from + scan.start);
			from += scan.pos;
			message_restart(&scan);
		}
	}
}

static void streams_are_cut(void **state)
{
	static const struct {
		const char *text;
		const char *messages;
	} cases[] = {
		{ " {\"a\": [1, {}]}\r\n{}[]", "<{\"a\": [1, {}]}><{}><[]>" },
		{ "1 -2.5e+3\n\"a b\"true{}",
		  "<1><-2.5e+3><\"a b\"><true><{}>" },
		{ "{\"}]\\\"}\": 1}", "<{\"}]\\\"}\": 1}>" },
		{ "\"\\\\\"\"\\\"\"", "<\"\\\\\"><\"\\\"\">" },
		{ "} ] , : {}", "!<}>!<]>!<,>!<:><{}>" },
		{ "{\"a\n{}", "!<{\"a\n><{}>" },
		{ "\"a\x01{}", "!<\"a\x01><{}>" },
		{ "{]{}", "<{]><{}>" }, /* up to the parser */
		{ "\xc3{}", "!<\xc3><{}>" },
		{ "{\"a\": 1", "" },
	};
	char out[256];
	size_t i, chunk;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (chunk = 1; chunk < 30; chunk++) {
			cut(cases[i].text, strlen(cases[i].text), chunk, out);
			assert_string_equal(out, cases[i].messages);
		}
}

static void zero_bytes_are_broken(void **state)
{
	struct message_scan scan = { 0 };

	(void)state;
	assert_int_equal(message_next(&scan, "\0", 1), MESSAGE_BROKEN);
	message_restart(&scan);
	assert_int_equal(message_next(&scan, "{\0", 2), MESSAGE_BROKEN);
	assert_int_equal(scan.pos, 2);
}

static void messages_have_limits(void **state)
{
	struct message_scan scan = { 0 };
	char *text = malloc(2 * MESSAGE_MAX);

	(void)state;
	memset(text, '[', MESSAGE_MAX_DEPTH + 1);
	assert_int_equal(message_next(&scan, text, MESSAGE_MAX_DEPTH),
			 MESSAGE_MORE);
	assert_int_equal(message_next(&scan, text, MESSAGE_MAX_DEPTH + 1),
			 MESSAGE_TOO_DEEP);

	message_restart(&scan);
	memset(text, ' ',
	       2 * MESSAGE_MAX); /* what is between counts for none */
	assert_int_equal(message_next(&scan, text, 2 * MESSAGE_MAX),
			 MESSAGE_MORE);
	message_restart(&scan);
	memset(text, 'a', 2 * MESSAGE_MAX);
	text[0] = '"';
	text[MESSAGE_MAX - 1] = '"';
	assert_int_equal(message_next(&scan, text, MESSAGE_MAX), MESSAGE_WHOLE);
	message_restart(&scan);
	text[MESSAGE_MAX - 1] = 'a';
	assert_int_equal(message_next(&scan, text, MESSAGE_MAX + 1),
			 MESSAGE_TOO_BIG);
	free(text);
}

/* ---- arguments and schema ------------------------------------------------------ */

static void arguments_are_checked(void **state)
{
	static const struct {
		const char *text;
		const char *args;
		const char *error; /* NULL: none */
	} cases[] = {
		{ NULL, "{}", NULL },
		{ "", "{}", NULL },
		{ NULL, "{\"a\": 1}", "Parameter 'a' is unexpected" },
		{ "a:int b?:str", "{\"a\": 1}", NULL },
		{ "a:int b?:str", "{\"a\": 1, \"b\": \"\"}", NULL },
		{ "a:int b?:str", "{\"b\": \"\"}", "Parameter 'a' is missing" },
		{ "a:int", "{\"a\": 1.5}",
		  "Invalid parameter type for 'a', expected: integer" },
		{ "a:int", "{\"a\": null}",
		  "Invalid parameter type for 'a', expected: integer" },
		{ "a:bool", "{\"a\": 0}",
		  "Invalid parameter type for 'a', expected: boolean" },
		{ "a:number", "{\"a\": 1.5}", NULL },
		{ "a:number", "{\"a\": \"1\"}",
		  "Invalid parameter type for 'a', expected: number" },
		{ "a:any", "{\"a\": [null]}", NULL },
		{ "a:[str]", "{\"a\": [\"x\", \"y\"]}", NULL },
		{ "a:[str]", "{\"a\": [\"x\", 1]}",
		  "Invalid parameter type for 'a[1]', expected: string" },
		{ "a:[str]", "{\"a\": {}}",
		  "Invalid parameter type for 'a', expected: array" },
		{ "a:StatsTarget", "{\"a\": \"vm\"}", NULL },
		{ "a:StatsTarget", "{\"a\": \"v\"}",
		  "Parameter 'a' does not accept value 'v'" },
		{ "a:[QMPCapability]", "{\"a\": [\"v\"]}",
		  "Parameter 'null' does not accept value 'v'" },
		{ "a:VersionTriple", "{\"a\": 1}",
		  "Invalid parameter type for 'a', expected: object" },
		{ "a:VersionTriple",
		  "{\"a\": {\"major\": 1, \"minor\": 1, \"micro\": \"\"}}",
		  "Invalid parameter type for 'a.micro', expected: integer" },
		{ "@StatsFilter", "{\"target\": \"vm\"}", NULL },
		{ "@StatsFilter", "{\"target\": \"vcpu\", \"vcpus\": []}",
		  NULL },
		{ "@StatsFilter", "{\"target\": \"vm\", \"vcpus\": []}",
		  "Parameter 'vcpus' is unexpected" },
		{ "@StatsFilter",
		  "{\"target\": \"vcpu\", \"vcpus\": [\"a\", 1]}",
		  "Invalid parameter type for 'vcpus[1]', expected: string" },
	};
	struct error err;
	json_t *args;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		args = json_loads(cases[i].args, 0, NULL);
		assert_non_null(args);
		err.text[0] = '\0';
		assert_int_equal(schema_check(cases[i].text, args, &err),
				 cases[i].error ? -EINVAL : 0);
		assert_string_equal(err.text,
				    cases[i].error ? cases[i].error : "");
		json_decref(args);
	}
}

static bool is_there(json_t *schema, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(schema, i, entry)
		if (!strcmp(json_string_value(json_object_get(entry, "name")),
			    name))
			return true;
	return false;
}

/* Making it would crash on a type that is not there. */
static void schema_is_whole(void **state)
{
	json_t *schema = schema_introspect(qmp_commands);
	const struct qmp_command *c;
	const struct schema_type *t;
	const struct schema_event *e;

	(void)state;
	assert_true(json_is_array(schema));
	for (c = qmp_commands; c->name; c++)
		assert_true(is_there(schema, c->name));
	for (e = schema_events; e->name; e++)
		assert_true(is_there(schema, e->name));
	for (t = schema_types; t->name; t++)
		if (!is_there(schema, t->name))
			fail_msg("nothing has type %s", t->name);
	json_decref(schema);
}

/* ---- sessions -------------------------------------------------------------------- */

/* What has been sent: "id:return " or "id!class ". */
static char sent[512];
static struct qmp_call *later;

static json_t *do_now(struct qmp_call *call, json_t *args)
{
	(void)call;
	return json_incref(args);
}

static json_t *do_later(struct qmp_call *call, json_t *args)
{
	(void)args;
	later = call;
	return QMP_LATER;
}

static json_t *do_fail(struct qmp_call *call, json_t *args)
{
	(void)args;
	return qmp_fail(call, "DeviceNotFound", "no \xff here");
}

static json_t *do_nothing(struct qmp_call *call, json_t *args)
{
	(void)call;
	(void)args;
	return NULL;
}

static const struct qmp_command commands[] = {
	{ .name = "qmp_capabilities",
	  .run = qmp_capabilities,
	  .args = "enable?:[QMPCapability]" },
	{ .name = "now", .run = do_now, .args = "a?:int", .oob = true },
	{ .name = "later", .run = do_later },
	{ .name = "fail", .run = do_fail },
	{ .name = "nothing", .run = do_nothing },
	{ .name = "names", .run = qmp_query_commands },
	{ .name = NULL },
};

static void note(struct qmp_session *session, json_t *answer)
{
	json_t *id = json_object_get(answer, "id");
	json_t *error = json_object_get(answer, "error");
	char *text = json_dumps(json_object_get(answer, "return"),
				JSON_COMPACT | JSON_ENCODE_ANY);

	(void)session;
	assert_true(!error == !!json_object_get(answer, "return"));
	sprintf(sent + strlen(sent), "%s%s%s ", id ? json_string_value(id) : "",
		error ? "!" : ":",
		error ? json_string_value(json_object_get(error, "class")) :
			text);
	free(text);
}

static void say(struct qmp_session *session, const char *text)
{
	struct qmp_request req;

	qmp_request_parse(&req, text, strlen(text));
	qmp_execute(session, &req);
	json_decref(req.value);
}

/* What @text leads to. */
static void expect(struct qmp_session *session, const char *text,
		   const char *answer)
{
	sent[0] = '\0';
	say(session, text);
	assert_string_equal(sent, answer);
}

static void negotiation_comes_first(void **state)
{
	struct qmp_session s = { .commands = commands, .send = note };

	(void)state;
	expect(&s, "{\"execute\": \"now\"}", "!CommandNotFound ");
	expect(&s, "{\"execute\": \"nix\"}", "!CommandNotFound ");
	expect(&s,
	       "{\"execute\": \"qmp_capabilities\", \"arguments\": "
	       "{\"enable\": [\"flying\"]}}",
	       "!GenericError ");
	assert_false(s.negotiated);
	expect(&s, "{\"execute\": \"qmp_capabilities\", \"id\": \"a\"}",
	       "a:{} ");
	assert_true(s.negotiated);
	assert_false(s.oob);
	expect(&s, "{\"execute\": \"qmp_capabilities\"}", "!CommandNotFound ");
	expect(&s, "{\"execute\": \"now\", \"arguments\": {\"a\": 1}}",
	       ":{\"a\":1} ");
	expect(&s, "{\"execute\": \"nix\"}", "!CommandNotFound ");
	assert_false(s.busy);
	assert_null(s.calls);
}

static void errors_are_answers(void **state)
{
	struct qmp_session s = { .commands = commands,
				 .send = note,
				 .negotiated = true };

	(void)state;
	expect(&s, "{\"execute\": \"fail\", \"id\": \"f\"}",
	       "f!DeviceNotFound ");
	expect(&s, "{\"execute\": \"nothing\"}", "!GenericError ");
	expect(&s, "{\"execute\": \"now\", \"arguments\": {\"b\": 1}}",
	       "!GenericError ");
	expect(&s, "{\"execute\": \"now\", \"exec-oob\": \"now\"}",
	       "!GenericError ");
	expect(&s, "nonsense", "!GenericError ");
	expect(&s, "", "!GenericError ");
	assert_null(s.calls);
}

static void some_answers_come_later(void **state)
{
	struct qmp_session s = { .commands = commands,
				 .send = note,
				 .negotiated = true,
				 .oob = true };

	(void)state;
	expect(&s, "{\"execute\": \"later\", \"id\": \"l\"}", "");
	assert_true(s.busy);
	/* Meanwhile, what is urgent. */
	expect(&s, "{\"exec-oob\": \"now\", \"id\": \"n\"}", "n:{} ");
	expect(&s, "{\"exec-oob\": \"later\", \"id\": \"n\"}",
	       "n!GenericError ");
	assert_true(s.busy);
	sent[0] = '\0';
	qmp_finish(later, json_true());
	assert_string_equal(sent, "l:true ");
	assert_false(s.busy);

	expect(&s, "{\"execute\": \"later\", \"id\": \"l\"}", "");
	qmp_fail(later, "GenericError", "too late");
	qmp_finish(later, NULL);
	assert_string_equal(sent, "l!GenericError ");

	/* Nobody is there any more. */
	expect(&s, "{\"execute\": \"later\"}", "");
	qmp_session_end(&s);
	qmp_finish(later, json_object());
	assert_string_equal(sent, "");
	assert_null(s.calls);
}

static void what_is_urgent(void **state)
{
	static const struct {
		const char *text;
		bool urgent;
	} cases[] = {
		{ "{\"exec-oob\": \"now\"}", true },
		{ "{\"execute\": \"now\"}", false },
		{ "{\"execute\": \"now\", \"exec-oob\": \"now\"}", false },
		{ "[]", false },
	};
	struct qmp_session s = { .commands = commands, .send = note };
	struct qmp_request req;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		qmp_request_parse(&req, cases[i].text, strlen(cases[i].text));
		s.oob = false;
		assert_false(qmp_is_urgent(&s, &req));
		s.oob = true;
		assert_int_equal(qmp_is_urgent(&s, &req), cases[i].urgent);
		json_decref(req.value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_cut),
		cmocka_unit_test(zero_bytes_are_broken),
		cmocka_unit_test(messages_have_limits),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(schema_is_whole),
		cmocka_unit_test(negotiation_comes_first),
		cmocka_unit_test(errors_are_answers),
		cmocka_unit_test(some_answers_come_later),
		cmocka_unit_test(what_is_urgent),
	};

	return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
