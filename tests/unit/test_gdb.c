// SPDX-License-Identifier: GPL-2.0-or-later
/* GDB's protocol, spoken to a target that only remembers. */
#include "cmocka_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "gdb/packet.h"
#include "gdb/regs.h"
#include "gdb/stub.h"

#define NR_CPUS 3
#define MEM_SIZE 65536

struct rig {
	struct gdb_stub stub;
	struct cpu_regs regs[NR_CPUS];
	uint8_t mem[MEM_SIZE]; /* at 0 */
	bool runs;
	unsigned int attached, detached, killed, resets, interrupts, resumes;
	enum gdb_action actions[NR_CPUS];
	int resume_error;
	/* The last one inserted and removed. */
	enum gdb_point point;
	uint64_t point_addr, point_len;
	int insert_error;
	unsigned int inserts, removes;
	/* What was sent. */
	char out[4 * GDB_FRAME_MAX];
	size_t len;
};

static unsigned int fake_nr_cpus(void *t)
{
	(void)t;
	return NR_CPUS;
}

static void fake_attach(void *t, struct gdb_stop *why)
{
	struct rig *r = t;

	r->attached++;
	r->runs = false;
	*why = (struct gdb_stop){ .signal = GDB_SIGTRAP };
}

static void fake_detach(void *t)
{
	struct rig *r = t;

	r->detached++;
	r->runs = true;
}

static bool fake_runs(void *t)
{
	return ((struct rig *)t)->runs;
}

static int fake_resume(void *t, const enum gdb_action *actions)
{
	struct rig *r = t;

	memcpy(r->actions, actions, sizeof(r->actions));
	r->resumes++;
	r->runs = !r->resume_error;
	return r->resume_error;
}

static void fake_interrupt(void *t)
{
	struct rig *r = t;
	const struct gdb_stop stop = { .cpu = 1, .signal = GDB_SIGINT };

	r->interrupts++;
	if (!r->runs)
		return;
	r->runs = false;
	gdb_stub_stopped(&r->stub, &stop);
}

static void fake_kill(void *t)
{
	((struct rig *)t)->killed++;
}

static void fake_reset(void *t)
{
	((struct rig *)t)->resets++;
}

static int fake_get_regs(void *t, unsigned int cpu, struct cpu_regs *regs)
{
	*regs = ((struct rig *)t)->regs[cpu];
	return 0;
}

static int fake_set_regs(void *t, unsigned int cpu, const struct cpu_regs *regs)
{
	if (regs->cr0 == 0xbad)
		return -EINVAL;
	((struct rig *)t)->regs[cpu] = *regs;
	return 0;
}

static size_t fit(uint64_t addr, size_t len)
{
	if (addr >= MEM_SIZE)
		return 0;
	return len < MEM_SIZE - addr ? len : MEM_SIZE - addr;
}

static size_t fake_read(void *t, unsigned int cpu, uint64_t addr, void *buf,
			size_t len)
{
	(void)cpu;
	len = fit(addr, len);
	memcpy(buf, ((struct rig *)t)->mem + addr % MEM_SIZE, len);
	return len;
}

static size_t fake_write(void *t, unsigned int cpu, uint64_t addr,
			 const void *buf, size_t len)
{
	(void)cpu;
	len = fit(addr, len);
	memcpy(((struct rig *)t)->mem + addr % MEM_SIZE, buf, len);
	return len;
}

static int fake_insert(void *t, unsigned int cpu, enum gdb_point point,
		       uint64_t addr, uint64_t len)
{
	struct rig *r = t;

	(void)cpu;
	r->inserts++;
	r->point = point;
	r->point_addr = addr;
	r->point_len = len;
	return r->insert_error;
}

static int fake_remove(void *t, enum gdb_point point, uint64_t addr,
		       uint64_t len)
{
	struct rig *r = t;

	r->removes++;
	r->point = point;
	r->point_addr = addr;
	r->point_len = len;
	return 0;
}

static void fake_describe(void *t, unsigned int cpu, char *buf, size_t size)
{
	(void)t;
	snprintf(buf, size, "all of %u\n", cpu);
}

static const struct gdb_target_ops fake_ops = {
	.nr_cpus = fake_nr_cpus,
	.attach = fake_attach,
	.detach = fake_detach,
	.runs = fake_runs,
	.resume = fake_resume,
	.interrupt = fake_interrupt,
	.kill = fake_kill,
	.reset = fake_reset,
	.get_regs = fake_get_regs,
	.set_regs = fake_set_regs,
	.read = fake_read,
	.write = fake_write,
	.insert = fake_insert,
	.remove = fake_remove,
	.describe = fake_describe,
};

static void keep(void *opaque, const char *frame, size_t len)
{
	struct rig *r = opaque;

	assert_true(len <= sizeof(r->out) - 1 - r->len);
	memcpy(r->out + r->len, frame, len);
	r->len += len;
	r->out[r->len] = '\0';
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	*state = r;
	r->runs = true;
	r->stub.ops = &fake_ops;
	r->stub.target = r;
	r->stub.send = keep;
	r->stub.opaque = r;
	if (gdb_stub_init(&r->stub))
		return -1;
	gdb_stub_connected(&r->stub);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gdb_stub_destroy(&r->stub);
	free(r);
	return 0;
}

/* ---- what a client does ---- */

static void type_bytes(struct rig *r, const char *bytes, size_t len)
{
	r->len = 0;
	r->out[0] = '\0';
	while (len--)
		gdb_stub_byte(&r->stub, (uint8_t)*bytes++);
}

static void type(struct rig *r, const char *bytes)
{
	type_bytes(r, bytes, strlen(bytes));
}

static size_t frame_of(const char *body, size_t len, char *frame)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)body[i]);
	frame[0] = '$';
	memcpy(frame + 1, body, len);
	return len + 1 + (size_t)sprintf(frame + 1 + len, "#%02x", sum);
}

/*
 * What came, without acknowledgement and frame, runs and escapes undone; the
 * checksum was right, and there was one frame.  Static: until the next one.
 */
static const char *received(struct rig *r)
{
	static char body[8 * GDB_FRAME_MAX];
	const char *p = r->out, *end;
	uint8_t sum = 0;
	char want[4];
	size_t n = 0;
	int i;

	if (*p == '+')
		p++;
	assert_int_equal(*p, '$');
	end = memchr(p, '#', r->len);
	assert_non_null(end);
	assert_int_equal(end + 3 - r->out, r->len);
	for (p++; p < end; p++) {
		sum = (uint8_t)(sum + (uint8_t)*p);
		if (*p == '*') {
			sum = (uint8_t)(sum + (uint8_t) * ++p);
			for (i = *p - 29; i > 0; i--, n++)
				body[n] = body[n - 1];
		} else if (*p == '}') {
			sum = (uint8_t)(sum + (uint8_t) * ++p);
			body[n++] = (char)(*p ^ 0x20);
		} else {
			body[n++] = *p;
		}
	}
	body[n] = '\0';
	snprintf(want, sizeof(want), "#%02x", sum);
	assert_memory_equal(end, want, 3);
	return body;
}

/* The answer to a packet, which is acknowledged. */
static const char *ask(struct rig *r, const char *body)
{
	char *frame = malloc(strlen(body) + 8);

	type_bytes(r, frame, frame_of(body, strlen(body), frame));
	free(frame);
	assert_true(r->stub.no_ack || r->out[0] == '+');
	return received(r);
}

static void asks(struct rig *r, const char *body, const char *want)
{
	const char *got = ask(r, body);

	if (strcmp(got, want))
		fail_msg("%s: '%.200s', wanted '%.200s'", body, got, want);
}

/* No answer but the acknowledgement. */
static void tells(struct rig *r, const char *body)
{
	char frame[256];

	type_bytes(r, frame, frame_of(body, strlen(body), frame));
	assert_string_equal(r->out, r->stub.no_ack ? "" : "+");
}

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
}

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

#define gdb_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		gdb_test(threads),
		gdb_test(resumes),
		gdb_test(bad_resumes),
		gdb_test(stop_reasons),
		gdb_test(interrupts),
		gdb_test(refuses_while_it_runs),
		gdb_test(comes_and_goes),
		gdb_test(ends),
		gdb_test(monitors),
		gdb_test(unknown),
		gdb_test(babble),
	};

	return cmocka_run_group_tests_name("gdb", tests, NULL, NULL);
}
