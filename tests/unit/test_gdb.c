// SPDX-License-Identifier: GPL-2.0-or-later
/* GDB's protocol: frames, registers, memory, breakpoints. */
#include "gdb_rig.h"

/* ---- frames ---- */

static void checksums(void **state)
{
	struct rig *r = *state;

	type(r, "$qC#b4");
	assert_string_equal(r->out, "+$QC1#c5");
	type(r, "$qC#B4");
	assert_string_equal(r->out, "+$QC1#c5");
	type(r, "$qC#b5");
	assert_string_equal(r->out, "-");
	type(r, "$qC#zz");
	assert_string_equal(r->out, "-");
	type(r, "$qC##b");
	assert_string_equal(r->out, "-");
	assert_int_equal(r->attached, 1);
}

static void noise(void **state)
{
	struct rig *r = *state;
	uint8_t byte;
	int i;

	/* No byte between frames does anything, but these. */
	for (i = 0; i < 256; i++) {
		byte = (uint8_t)i;
		if (byte != '$' && byte != 3)
			type_bytes(r, (const char *)&byte, 1);
		assert_int_equal(r->len, 0);
	}
	assert_int_equal(r->attached, 0);
	/* A frame that is cut off by the next one is forgotten. */
	type(r, "$m0,10$m0,$qC#b4");
	assert_string_equal(r->out, "+$QC1#c5");
	/* The frame ends where it does. */
	type(r, "$qC#b4$qC#b4+$qC#");
	assert_string_equal(r->out, "+$QC1#c5+$QC1#c5");
	type(r, "b4");
	assert_string_equal(r->out, "+$QC1#c5");
}

static void resends(void **state)
{
	struct rig *r = *state;

	type(r, "-");
	assert_string_equal(r->out, "");
	ask(r, "qC");
	type(r, "--");
	assert_string_equal(r->out, "$QC1#c5$QC1#c5");
	asks(r, "QStartNoAckMode", "OK");
	type(r, "-");
	assert_string_equal(r->out, "");
	type(r, "$qC#b4");
	assert_string_equal(r->out, "$QC1#c5");
	/* The next client begins anew. */
	gdb_stub_disconnected(&r->stub);
	gdb_stub_connected(&r->stub);
	type(r, "-");
	assert_string_equal(r->out, "");
	type(r, "$qC#b4");
	assert_string_equal(r->out, "+$QC1#c5");
}

static void huge(void **state)
{
	struct rig *r = *state;
	char *body = malloc(1 << 20);
	size_t n;

	/* One that just fits is only unknown. */
	memset(body, 'y', 1 << 20);
	body[GDB_BODY_MAX] = '\0';
	asks(r, body, "");
	memset(body, 'y', GDB_BODY_MAX + 1);
	body[GDB_BODY_MAX + 1] = '\0';
	asks(r, body, "E07");
	memset(body, 'y', 1 << 20);
	body[(1 << 20) - 1] = '\0';
	asks(r, body, "E07");
	asks(r, "qC", "QC1");
	/* One that never ends. */
	type(r, "$");
	for (n = 0; n < 8; n++)
		type_bytes(r, body, (1 << 20) - 1);
	assert_string_equal(r->out, "");
	type(r, "$qC#b4");
	assert_string_equal(r->out, "+$QC1#c5");
	free(body);
}

static size_t expand(const char *frame, size_t len, char *body)
{
	size_t i, n = 0;
	int more;

	for (i = 1; i < len - 3; i++) {
		if (frame[i] == '*')
			for (more = frame[++i] - 29; more > 0; more--, n++)
				body[n] = body[n - 1];
		else
			body[n++] = frame[i];
	}
	return n;
}

static void run_lengths(void **state)
{
	struct gdb_body *b = calloc(1, sizeof(*b));
	char *frame = malloc(GDB_FRAME_MAX), back[512];
	size_t len, i;

	(void)state;
	for (i = 1; i < 400; i++) {
		memset(b->text, 'a', i);
		b->text[i] = 'b';
		b->len = i + 1;
		len = gdb_frame(b, false, frame);
		/* No byte of it could be taken for the end or a beginning. */
		assert_null(memchr(frame + 1, '$', len - 1));
		assert_ptr_equal(memchr(frame, '#', len), frame + len - 3);
		assert_int_equal(expand(frame, len, back), i + 1);
		assert_memory_equal(back, b->text, i + 1);
		if (i >= 10)
			assert_true(len < i + 5);
	}
	b->len = 4;
	memcpy(b->text, "0000", 4);
	len = gdb_frame(b, false, frame);
	assert_int_equal(len, 7);
	assert_memory_equal(frame, "$0* #7a", 7);
	free(frame);
	free(b);
}

/* ---- registers ---- */

static void registers(void **state)
{
	struct rig *r = *state;
	struct cpu_regs *regs = &r->regs[0];
	char all[4096];

	regs->gpr[CPU_RAX] = 0x0102030405060708;
	regs->gpr[CPU_RBX] = 0x1111;
	regs->rip = 0xffffffff81000000;
	regs->rflags = 0x246;
	regs->seg[CPU_CS].selector = 0x10;
	regs->seg[CPU_GS].base = 0xffff888000000000;
	regs->cr3 = 0x1000;
	regs->ftw = 0x81;
	asks(r, "p0", "0807060504030201");
	asks(r, "p1", "1111000000000000");
	asks(r, "p10", "00000081ffffffff");
	asks(r, "p11", "46020000");
	asks(r, "p12", "10000000");
	asks(r, "p22", "fc3f0000");
	strcpy(all, ask(r, "g"));
	assert_int_equal(strlen(all), 2 * (16 * 8 + 8 + 4 + 6 * 4 + 8 * 10 +
					   8 * 4 + 16 * 16 + 4 + 16 + 56));
	assert_memory_equal(all, "0807060504030201", 16);

	asks(r, "P0=ffffffffffffffff", "OK");
	assert_int_equal(regs->gpr[CPU_RAX], UINT64_MAX);
	asks(r, "P22=ffff0000", "OK");
	assert_int_equal(regs->ftw, 0);
	/* Selectors are what they are. */
	asks(r, "P12=10000000", "OK");
	asks(r, "P12=18000000", "E01");
	assert_int_equal(regs->seg[CPU_CS].selector, 0x10);
	/* All of them back as they were, but for the first. */
	memset(all, '0', 16);
	memmove(all + 1, all, strlen(all) + 1);
	all[0] = 'G';
	asks(r, all, "OK");
	assert_int_equal(regs->gpr[CPU_RAX], 0);
	assert_int_equal(regs->gpr[CPU_RBX], 0x1111);
	assert_int_equal(regs->ftw, 0x81);
	all[strlen(all) - 1] = '\0';
	asks(r, all, "E16");
	asks(r, "G", "E16");
}

static void bad_registers(void **state)
{
	static const char *const bodies[] = {
		"p",
		"px",
		"p1000",
		"pffffffffffffffff",
		"p11111111111111111",
		"p0;",
		"P",
		"P0",
		"P0=",
		"P0=00",
		"P0=000000000000000000",
		"P0=000000000000000x",
		"P1000=0000000000000000",
	};
	struct rig *r = *state;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		asks(r, bodies[i], "E16");
}

static void describes_itself(void **state)
{
	struct rig *r = *state;
	char xml[32768] = "", body[64];
	const char *got;
	size_t off = 0, i, nr = 0;

	do {
		snprintf(body, sizeof(body),
			 "qXfer:features:read:target.xml:%zx,123", off);
		got = ask(r, body);
		assert_true(*got == 'm' || *got == 'l');
		strcpy(xml + off, got + 1);
		off += strlen(got + 1);
	} while (*got == 'm');
	assert_non_null(strstr(xml, "<architecture>i386:x86-64<"));
	assert_non_null(strstr(xml, "org.gnu.gdb.i386.segments"));
	assert_non_null(strstr(xml, "name=\"cr3\" bitsize=\"64\""));
	assert_string_equal(xml + strlen(xml) - 10, "</target>\n");
	for (i = 0; (got = strstr(xml + i, "<reg ")); i = got + 1 - xml)
		nr++;
	assert_int_equal(nr, gdb_nr_regs());
	asks(r, "qXfer:features:read:target.xml:fffff,10", "E16");
	asks(r, "qXfer:features:read:target.xml:0", "E16");
	asks(r, "qXfer:features:read:other.xml:0,10", "");
	/* However much is asked for, it fits. */
	got = ask(r, "qXfer:features:read:target.xml:0,ffffffff");
	assert_true(strlen(got) > 1000);
}

/* ---- memory ---- */

static void memory(void **state)
{
	struct rig *r = *state;
	const char *got;
	char frame[64];

	memcpy(r->mem + 0x100, "\x01\x23\x45\xff", 4);
	asks(r, "m100,4", "012345ff");
	asks(r, "m100,0", "");
	asks(r, "mfffe,10", "0000");
	asks(r, "m10000,1", "E0e");
	asks(r, "mffffffffffffffff,1", "E0e");
	got = ask(r, "m0,ffffffffffffffff");
	assert_int_equal(strlen(got), GDB_BODY_MAX);
	asks(r, "M200,3:aBcD01", "OK");
	assert_memory_equal(r->mem + 0x200, "\xab\xcd\x01", 3);
	asks(r, "Mfffe,4:01020304", "E0e");
	asks(r, "M10000,1:00", "E0e");
	asks(r, "M10000,0:", "OK");

	/* Bytes that mean something elsewhere, and a zero. */
	type_bytes(r, frame,
		   frame_of("X300,6:\0}\x03}\x04}]\x01\x80", 16, frame));
	assert_string_equal(received(r), "OK");
	assert_memory_equal(r->mem + 0x300, "\0#$}\x01\x80", 6);
	asks(r, "X300,0:", "OK");
	asks(r, "X300,2:a", "E16");
	asks(r, "X300,1:ab", "E16");
}

static void bad_memory(void **state)
{
	static const char *const bodies[] = {
		"m",	      "m,",
		"m1",	      "m1,",
		"m1,1,",      "m1 1",
		"mx,1",	      "m-1,1",
		"M1,1",	      "M1,1:",
		"M1,1:0",     "M1,1:0g",
		"M1,1:000",   "M1,2:00",
		"M1,2001:00", "X",
		"X1,1",	      "X,:",
		"Z0,1",	      "Z0,,1",
		"Z0,1,",      "Z0,1,1,",
		"Z0",	      "z0",
		"Z00,1,1",    "m11111111111111111,1",
	};
	struct rig *r = *state;
	uint8_t before[MEM_SIZE];
	size_t i;

	memcpy(before, r->mem, sizeof(before));
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		asks(r, bodies[i], "E16");
	assert_memory_equal(before, r->mem, sizeof(before));
	assert_int_equal(r->inserts + r->removes, 0);
}

static void points(void **state)
{
	struct rig *r = *state;

	asks(r, "Z0,ffffffff81000000,1", "OK");
	assert_int_equal(r->point, GDB_POINT_SOFTWARE);
	assert_int_equal(r->point_addr, 0xffffffff81000000);
	asks(r, "Z2,1000,8", "OK");
	assert_int_equal(r->point, GDB_WATCH_WRITE);
	assert_int_equal(r->point_len, 8);
	asks(r, "z4,1000,8", "OK");
	assert_int_equal(r->removes, 1);
	/* GDB then does it with Z4. */
	asks(r, "Z3,1000,8", "");
	asks(r, "Z5,1000,8", "");
	asks(r, "Z", "");
	r->insert_error = -ENOSPC;
	asks(r, "Z1,1000,1", "E1c");
	r->insert_error = -EOPNOTSUPP;
	asks(r, "Z1,1000,1", "E.this host's KVM does not stop guests for that");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		gdb_test(checksums),
		gdb_test(noise),
		gdb_test(resends),
		gdb_test(huge),
		cmocka_unit_test(run_lengths),
		gdb_test(registers),
		gdb_test(bad_registers),
		gdb_test(describes_itself),
		gdb_test(memory),
		gdb_test(bad_memory),
		gdb_test(points),
	};

	return cmocka_run_group_tests_name("gdb", tests, NULL, NULL);
}
