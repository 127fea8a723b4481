/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of GDB's protocol, and a target that only remembers.  Included once
 * per program.
 */
#ifndef VIREO_GDB_RIG_H
#define VIREO_GDB_RIG_H

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

static inline unsigned int fake_nr_cpus(void *t)
{
	(void)t;
	return NR_CPUS;
}

static inline void fake_attach(void *t, struct gdb_stop *why)
{
	struct rig *r = t;

	r->attached++;
	r->runs = false;
	*why = (struct gdb_stop){ .signal = GDB_SIGTRAP };
}

static inline void fake_detach(void *t)
{
	struct rig *r = t;

	r->detached++;
	r->runs = true;
}

static inline bool fake_runs(void *t)
{
	return ((struct rig *)t)->runs;
}

static inline int fake_resume(void *t, const enum gdb_action *actions)
{
	struct rig *r = t;

	memcpy(r->actions, actions, sizeof(r->actions));
	r->resumes++;
	r->runs = !r->resume_error;
	return r->resume_error;
}

static inline void fake_interrupt(void *t)
{
	struct rig *r = t;
	const struct gdb_stop stop = { .cpu = 1, .signal = GDB_SIGINT };

	r->interrupts++;
	if (!r->runs)
		return;
	r->runs = false;
	gdb_stub_stopped(&r->stub, &stop);
}

static inline void fake_kill(void *t)
{
	((struct rig *)t)->killed++;
}

static inline void fake_reset(void *t)
{
	((struct rig *)t)->resets++;
}

static inline int fake_get_regs(void *t, unsigned int cpu,
				struct cpu_regs *regs)
{
	*regs = ((struct rig *)t)->regs[cpu];
	return 0;
}

static inline int fake_set_regs(void *t, unsigned int cpu,
				const struct cpu_regs *regs)
{
	if (regs->cr0 == 0xbad)
		return -EINVAL;
	((struct rig *)t)->regs[cpu] = *regs;
	return 0;
}

static inline size_t fit(uint64_t addr, size_t len)
{
	if (addr >= MEM_SIZE)
		return 0;
	return len < MEM_SIZE - addr ? len : MEM_SIZE - addr;
}

static inline size_t fake_read(void *t, unsigned int cpu, uint64_t addr,
			       void *buf, size_t len)
{
	(void)cpu;
	len = fit(addr, len);
	memcpy(buf, ((struct rig *)t)->mem + addr % MEM_SIZE, len);
	return len;
}

static inline size_t fake_write(void *t, unsigned int cpu, uint64_t addr,
				const void *buf, size_t len)
{
	(void)cpu;
	len = fit(addr, len);
	memcpy(((struct rig *)t)->mem + addr % MEM_SIZE, buf, len);
	return len;
}

static inline int fake_insert(void *t, unsigned int cpu, enum gdb_point point,
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

static inline int fake_remove(void *t, enum gdb_point point, uint64_t addr,
			      uint64_t len)
{
	struct rig *r = t;

	r->removes++;
	r->point = point;
	r->point_addr = addr;
	r->point_len = len;
	return 0;
}

static inline void fake_describe(void *t, unsigned int cpu, char *buf,
				 size_t size)
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

static inline void keep(void *opaque, const char *frame, size_t len)
{
	struct rig *r = opaque;

	assert_true(len <= sizeof(r->out) - 1 - r->len);
	memcpy(r->out + r->len, frame, len);
	r->len += len;
	r->out[r->len] = '\0';
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	struct rig *r = *state;

	gdb_stub_destroy(&r->stub);
	free(r);
	return 0;
}

/* ---- what a client does ---- */

static inline void type_bytes(struct rig *r, const char *bytes, size_t len)
{
	r->len = 0;
	r->out[0] = '\0';
	while (len--)
		gdb_stub_byte(&r->stub, (uint8_t)*bytes++);
}

static inline void type(struct rig *r, const char *bytes)
{
	type_bytes(r, bytes, strlen(bytes));
}

static inline size_t frame_of(const char *body, size_t len, char *frame)
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

static inline void asks(struct rig *r, const char *body, const char *want)
{
	const char *got = ask(r, body);

	if (strcmp(got, want))
		fail_msg("%s: '%.200s', wanted '%.200s'", body, got, want);
}

/* No answer but the acknowledgement. */
static inline void tells(struct rig *r, const char *body)
{
	char frame[256];

	type_bytes(r, frame, frame_of(body, strlen(body), frame));
	assert_string_equal(r->out, r->stub.no_ack ? "" : "+");
}

#define gdb_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
