// SPDX-License-Identifier: GPL-2.0-or-later
/* GDB's protocol: threads, running and stopping, and what nobody should send. */
#include "gdb_rig.h"

/* ---- threads, running and stopping ---- */

static void threads(void **state)
{
	struct rig *r = *state;

	asks(r, "qfThreadInfo", "m1,2,3");
	asks(r, "qsThreadInfo", "l");
	asks(r, "T3", "OK");
	asks(r, "T4", "E16");
	asks(r, "T0", "E16");
	asks(r, "Hg2", "OK");
	asks(r, "qC", "QC2");
	asks(r, "Hg0", "OK");
	asks(r, "qC", "QC2");
	asks(r, "Hg-1", "OK");
	asks(r, "qC", "QC2");
	asks(r, "Hg4", "E16");
	asks(r, "Hgffffffff", "E16");
	asks(r, "Hg", "E16");
	asks(r, "Hx1", "");
	r->regs[1].gpr[CPU_RAX] = 7;
	asks(r, "p0", "0700000000000000");
	r->regs[2].halted = true;
	asks(r, "qThreadExtraInfo,3", "764350552032205b68616c7465645d");
}

static void actions_are(struct rig *r, enum gdb_action a, enum gdb_action b,
			enum gdb_action c)
{
	assert_int_equal(r->actions[0], a);
	assert_int_equal(r->actions[1], b);
	assert_int_equal(r->actions[2], c);
}

static void stops(struct rig *r, unsigned int cpu)
{
	const struct gdb_stop stop = { .cpu = cpu, .signal = GDB_SIGTRAP };

	r->runs = false;
	r->len = 0;
	gdb_stub_stopped(&r->stub, &stop);
}

static void resumes(void **state)
{
	struct rig *r = *state;

	asks(r, "vCont?", "vCont;c;C;s;S");
	tells(r, "vCont;c");
	actions_are(r, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE);
	stops(r, 1);
	assert_string_equal(received(r), "T05thread:2;");
	/* It stands for what is asked for next. */
	asks(r, "qC", "QC2");
	asks(r, "?", "T05thread:2;");

	tells(r, "vCont;s:2;c");
	actions_are(r, GDB_CONTINUE, GDB_STEP, GDB_CONTINUE);
	stops(r, 1);
	tells(r, "vCont;s:3");
	actions_are(r, GDB_STAY, GDB_STAY, GDB_STEP);
	stops(r, 2);
	tells(r, "vCont;S05:1;C05:2;s:-1");
	actions_are(r, GDB_STEP, GDB_CONTINUE, GDB_STEP);
	stops(r, 0);
	tells(r, "s");
	actions_are(r, GDB_STEP, GDB_CONTINUE, GDB_CONTINUE);
	stops(r, 0);
	tells(r, "c1234");
	actions_are(r, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE);
	assert_int_equal(r->regs[0].rip, 0x1234);
	stops(r, 0);
	tells(r, "S05;1238");
	assert_int_equal(r->regs[0].rip, 0x1238);
	stops(r, 0);
	tells(r, "C02");
	stops(r, 0);
	/* Nobody waits for it: not told. */
	stops(r, 2);
	assert_int_equal(r->len, 0);
	asks(r, "?", "T05thread:3;");

	r->resume_error = -EBUSY;
	asks(r, "c", "E10");
	asks(r, "qC", "QC3");
}

static void bad_resumes(void **state)
{
	static const char *const bodies[] = {
		"vCont",
		"vCont;",
		"vCont;x",
		"vCont;c:",
		"vCont;c:9",
		"vCont;c:x",
		"vCont;Cx",
		"vCont;S",
		"vContc",
		"vCont;c;",
		"vCont;cc",
		"vCont;t",
		"cx",
		"sg",
		"C",
		"S",
		"C;5",
		"C05;x",
		"c11111111111111111",
	};
	struct rig *r = *state;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		asks(r, bodies[i], "E16");
	assert_int_equal(r->resumes, 0);
}

static void stop_reasons(void **state)
{
	struct rig *r = *state;
	struct gdb_stop stop = { .cpu = 0,
				 .signal = GDB_SIGTRAP,
				 .at_point = true };
	static const struct {
		enum gdb_point point;
		const char *before;
		const char *after;
	} kinds[] = {
		{ GDB_POINT_SOFTWARE, "T05thread:1;", "T05thread:1;swbreak:;" },
		{ GDB_POINT_HARDWARE, "T05thread:1;", "T05thread:1;hwbreak:;" },
		{ GDB_WATCH_WRITE, "T05thread:1;watch:1008;",
		  "T05thread:1;watch:1008;" },
		{ GDB_WATCH_ACCESS, "T05thread:1;awatch:1008;",
		  "T05thread:1;awatch:1008;" },
	};
	unsigned int told;
	size_t i;

	stop.addr = 0x1008;
	for (told = 0; told < 2; told++) {
		for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			tells(r, "c");
			stop.point = kinds[i].point;
			r->runs = false;
			gdb_stub_stopped(&r->stub, &stop);
			r->out[0] = '+'; /* of the packet before */
			asks(r, "?", told ? kinds[i].after : kinds[i].before);
		}
		ask(r, "qSupported:swbreak+;hwbreak+;xmlRegisters=i386");
	}
}

static void interrupts(void **state)
{
	struct rig *r = *state;

	/* From somebody who has said nothing yet. */
	type(r, "\x03");
	assert_int_equal(r->interrupts, 0);
	tells(r, "c");
	type(r, "\x03");
	assert_string_equal(received(r), "T02thread:2;");
	/* When it stands already. */
	type(r, "\x03");
	assert_string_equal(r->out, "");
	/* In a frame it is a byte. */
	tells(r, "c");
	type(r, "$\x03");
	assert_true(r->runs);
	type(r, "#03");
	assert_true(r->runs);
	assert_int_equal(r->interrupts, 2);
}

static void refuses_while_it_runs(void **state)
{
	static const char *const bodies[] = {
		"g",
		"p0",
		"P0=0000000000000000",
		"m0,1",
		"M0,1:00",
		"X0,1:a",
		"Z0,0,1",
		"z0,0,1",
		"c",
		"vCont;c",
		"s",
		"?",
		"qRcmd,68656c70",
	};
	struct rig *r = *state;
	size_t i;

	tells(r, "c");
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		asks(r, bodies[i], "E10");
	assert_int_equal(r->resumes, 1);
	asks(r, "qC", "QC1");
	/* It is still waited for. */
	stops(r, 0);
	assert_string_equal(received(r), "T05thread:1;");
}

static void comes_and_goes(void **state)
{
	struct rig *r = *state;

	/* The first packet stops it, not the connection. */
	assert_true(r->runs);
	asks(r, "?", "T05thread:1;");
	assert_int_equal(r->attached, 1);
	assert_false(r->runs);
	asks(r, "qAttached", "1");
	asks(r, "D", "OK");
	assert_int_equal(r->detached, 1);
	gdb_stub_disconnected(&r->stub);
	assert_int_equal(r->detached, 1);

	gdb_stub_connected(&r->stub);
	ask(r, "?");
	gdb_stub_disconnected(&r->stub);
	assert_int_equal(r->attached, 2);
	assert_int_equal(r->detached, 2);

	gdb_stub_connected(&r->stub);
	tells(r, "c");
	gdb_stub_disconnected(&r->stub);
	assert_int_equal(r->detached, 3);
	stops(r, 0);
	assert_int_equal(r->len, 0);
}

static void ends(void **state)
{
	struct rig *r = *state;

	gdb_stub_ended(&r->stub, 0);
	tells(r, "c");
	r->len = 0;
	gdb_stub_ended(&r->stub, 0);
	assert_string_equal(received(r), "W00");
	tells(r, "c");
	r->len = 0;
	gdb_stub_ended(&r->stub, GDB_SIGSEGV);
	assert_string_equal(received(r), "X0b");
	ask(r, "k");
	asks(r, "vKill;1", "OK");
	assert_int_equal(r->killed, 2);
	ask(r, "R00");
	assert_int_equal(r->resets, 1);
}

/* ---- the rest ---- */

static void monitor(struct rig *r, const char *command, const char *want)
{
	char body[512] = "qRcmd,", text[GDB_BODY_MAX / 2 + 1] = "";
	const char *got;
	size_t i;

	for (i = 0; command[i]; i++)
		sprintf(body + 6 + 2 * i, "%02x", (uint8_t)command[i]);
	got = ask(r, body);
	assert_true(gdb_take_bytes(&got, (uint8_t *)text, strlen(got) / 2));
	if (!strstr(text, want))
		fail_msg("%s: %s", command, text);
}

static void monitors(void **state)
{
	struct rig *r = *state;

	monitor(r, "help", "monitor info registers");
	asks(r, "Hg3", "OK");
	monitor(r, "info registers", "all of 2\n");
	monitor(r, "reset", "reset");
	assert_int_equal(r->resets, 1);
	monitor(r, "", "No such command");
	monitor(r, "resetx", "No such command");
	monitor(r, "rese", "No such command");
	asks(r, "qRcmd,7", "E16");
	asks(r, "qRcmd,zz", "E16");
	asks(r,
	     "qRcmd,"
	     "41414141414141414141414141414141414141414141414141414141414141"
	     "41414141414141414141414141414141414141414141414141414141414141"
	     "414141414141",
	     "E16");
}

static void unknown(void **state)
{
	static const char *const bodies[] = {
		"",	      "qCRC:0,1", "qSymbol::", "vMustReplyEmpty",
		"vFile:open", "qTStatus", "\x80\xff",  "x0,1",
		"Q",	      "q",	  "v",	       "b",
	};
	struct rig *r = *state;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		asks(r, bodies[i], "");
}

/* Anything, and parts of what has a meaning; the same in each run. */
static void babble(void **state)
{
	static const char *const words[] = {
		"g",
		"G00",
		"p",
		"P1=",
		"m",
		"M0,4:",
		"X0,4:",
		"Z0,",
		"z1,",
		"vCont",
		";s:",
		";c",
		"H",
		"g1",
		"qRcmd,",
		"T",
		"D",
		"c",
		"s",
		"C05;",
		"k",
		"68656c",
		"ffff",
		",",
		":",
		"#",
		"$",
		"}",
		"-1",
		"*",
		"?",
		"+",
		"-",
		"\x03",
		"qXfer:features:read:target.xml:",
		"qSupported:",
		"R",
		"!",
		"QStartNoAckMode",
	};
	struct rig *r = *state;
	uint32_t seed = 1, n, i;
	char body[256], frame[300];
	size_t len;

	for (n = 0; n < 50000; n++) {
		len = 0;
		for (i = 0; i < 6; i++) {
			seed = seed * 1103515245 + 12345;
			if (seed >> 16 & 1)
				len += (size_t)
					sprintf(body + len, "%s",
						words[(seed >> 17) %
						      (sizeof(words) /
						       sizeof(words[0]))]);
			else
				body[len++] = (char)(seed >> 24);
		}
		len = frame_of(body, len, frame);
		if (seed >> 28 == 0)
			frame[len - 1] ^= 1;
		type_bytes(r, frame, len);
	}
	gdb_stub_disconnected(&r->stub);
	gdb_stub_connected(&r->stub);
	asks(r, "qC", "QC1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		gdb_test(threads),	  gdb_test(resumes),
		gdb_test(bad_resumes),	  gdb_test(stop_reasons),
		gdb_test(interrupts),	  gdb_test(refuses_while_it_runs),
		gdb_test(comes_and_goes), gdb_test(ends),
		gdb_test(monitors),	  gdb_test(unknown),
		gdb_test(babble),
	};

	return cmocka_run_group_tests_name("gdb run", tests, NULL, NULL);
}
