// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu.h"
#include "../vm.h"
#include "regs.h"

/* Room for what `monitor` prints: two digits a byte. */
#define MONITOR_MAX (GDB_BODY_MAX / 2)

int gdb_stub_init(struct gdb_stub *s)
{
	s->xml = gdb_target_xml();
	return s->xml ? 0 : -ENOMEM;
}

void gdb_stub_destroy(struct gdb_stub *s)
{
	free(s->xml);
}

void gdb_stub_connected(struct gdb_stub *s)
{
	memset(&s->in, 0, sizeof(s->in));
	s->frame_len = 0;
	s->attached = false;
	s->waiting = false;
	s->no_ack = false;
	s->tells_breaks = false;
	s->cpu = 0;
	s->cont_cpu = -1;
}

void gdb_stub_disconnected(struct gdb_stub *s)
{
	if (s->attached)
		s->ops->detach(s->target);
	s->attached = false;
}

/* ---- answers ---- */

static void text(struct gdb_stub *s, const char *t)
{
	gdb_body_text(&s->out, t);
}

static void number(struct gdb_stub *s, uint64_t val)
{
	gdb_body_number(&s->out, val);
}

/* In place of whatever was begun. */
static void answer(struct gdb_stub *s, const char *t)
{
	s->out.len = 0;
	text(s, t);
}

static void fail(struct gdb_stub *s, int errnum)
{
	uint8_t byte = (uint8_t)(errnum < 0 ? -errnum : errnum);

	if (byte == EOPNOTSUPP) {
		answer(s, "E.this host's KVM does not stop guests for that");
		return;
	}
	answer(s, "E");
	gdb_body_hex(&s->out, &byte, 1);
}

/* OK, or the error. */
static void result(struct gdb_stub *s, int rc)
{
	if (rc)
		fail(s, rc);
	else
		answer(s, "OK");
}

static void send_out(struct gdb_stub *s)
{
	s->frame_len = gdb_frame(&s->out, s->binary, s->frame);
	s->send(s->opaque, s->frame, s->frame_len);
}

static void add_stop(struct gdb_stub *s)
{
	const struct gdb_stop *stop = &s->stop;
	uint8_t signal = (uint8_t)stop->signal;

	text(s, "T");
	gdb_body_hex(&s->out, &signal, 1);
	text(s, "thread:");
	number(s, stop->cpu + 1);
	text(s, ";");
	if (!stop->at_point)
		return;
	if (stop->point <= GDB_POINT_HARDWARE) {
		if (s->tells_breaks)
			text(s, stop->point == GDB_POINT_SOFTWARE ?
					"swbreak:;" :
					"hwbreak:;");
		return;
	}
	text(s, stop->point == GDB_WATCH_ACCESS ? "awatch:" : "watch:");
	number(s, stop->addr);
	text(s, ";");
}

void gdb_stub_stopped(struct gdb_stub *s, const struct gdb_stop *stop)
{
	if (!s->attached)
		return;
	s->stop = *stop;
	s->cpu = stop->cpu;
	s->cont_cpu = (int)stop->cpu;
	if (!s->waiting)
		return;
	s->waiting = false;
	s->binary = false;
	s->out.len = 0;
	add_stop(s);
	send_out(s);
}

void gdb_stub_ended(struct gdb_stub *s, int signal)
{
	uint8_t byte = (uint8_t)signal;

	if (!s->attached)
		return;
	s->attached = false;
	if (!s->waiting)
		return;
	s->waiting = false;
	s->binary = false;
	answer(s, signal ? "X" : "W");
	gdb_body_hex(&s->out, &byte, 1);
	send_out(s);
}

/* ---- threads ---- */

/* Thread @n of the protocol; 0 is any, here the current one. */
static bool thread_cpu(struct gdb_stub *s, uint64_t n, unsigned int *cpu)
{
	if (n > s->ops->nr_cpus(s->target))
		return false;
	*cpu = n ? (unsigned int)n - 1 : s->cpu;
	return true;
}

static void do_set_thread(struct gdb_stub *s, const char *p)
{
	bool cont = gdb_take(&p, 'c'), all;
	unsigned int cpu = 0;
	uint64_t n = 0;

	if (!cont && !gdb_take(&p, 'g')) {
		answer(s, "");
		return;
	}
	all = !strcmp(p, "-1");
	if (!all &&
	    (!gdb_take_number(&p, &n) || *p || !thread_cpu(s, n, &cpu))) {
		fail(s, EINVAL);
		return;
	}
	if (cont)
		s->cont_cpu = all || !n ? -1 : (int)cpu;
	else if (!all)
		s->cpu = cpu;
	answer(s, "OK");
}

static void do_alive(struct gdb_stub *s, const char *p)
{
	unsigned int cpu;
	uint64_t n;

	result(s,
	       gdb_take_number(&p, &n) && !*p && n && thread_cpu(s, n, &cpu) ?
		       0 :
		       -EINVAL);
}

static void do_current(struct gdb_stub *s, const char *p)
{
	if (*p)
		return; /* another packet, qCRC */
	text(s, "QC");
	number(s, s->cpu + 1);
}

static void do_threads(struct gdb_stub *s, const char *p)
{
	unsigned int i, n = s->ops->nr_cpus(s->target);

	(void)p;
	for (i = 0; i < n; i++) {
		text(s, i ? "," : "m");
		number(s, i + 1);
	}
}

static void do_no_more_threads(struct gdb_stub *s, const char *p)
{
	(void)p;
	text(s, "l");
}

static void do_thread_info(struct gdb_stub *s, const char *p)
{
	struct cpu_regs regs;
	unsigned int cpu;
	char line[32];
	uint64_t n;

	if (!gdb_take_number(&p, &n) || *p || !n || !thread_cpu(s, n, &cpu) ||
	    s->ops->get_regs(s->target, cpu, &regs)) {
		fail(s, EINVAL);
		return;
	}
	snprintf(line, sizeof(line), "vCPU %u [%s]", cpu,
		 regs.waits  ? "not started" :
		 regs.halted ? "halted" :
			       "runs");
	gdb_body_hex(&s->out, line, strlen(line));
}

/* ---- registers and memory ---- */

static void do_get_all(struct gdb_stub *s, const char *p)
{
	uint8_t buf[GDB_REG_MAX];
	struct cpu_regs regs;
	unsigned int i;
	int rc = s->ops->get_regs(s->target, s->cpu, &regs);

	(void)p;
	if (rc) {
		fail(s, rc);
		return;
	}
	for (i = 0; i < gdb_nr_regs(); i++) {
		gdb_reg_get(&regs, i, buf);
		gdb_body_hex(&s->out, buf, gdb_reg_size(i));
	}
}

/* Registers [first, first + count) to the bytes at @p. */
static int set_regs(struct gdb_stub *s, unsigned int first, unsigned int count,
		    const char *p)
{
	uint8_t buf[GDB_REG_MAX] = { 0 };
	struct cpu_regs regs;
	unsigned int i;
	int rc = s->ops->get_regs(s->target, s->cpu, &regs);

	for (i = first; !rc && i < first + count; i++) {
		if (!gdb_take_bytes(&p, buf, gdb_reg_size(i)))
			return -EINVAL;
		rc = gdb_reg_set(&regs, i, buf);
	}
	if (rc)
		return rc;
	return *p ? -EINVAL : s->ops->set_regs(s->target, s->cpu, &regs);
}

static void do_set_all(struct gdb_stub *s, const char *p)
{
	result(s, set_regs(s, 0, gdb_nr_regs(), p));
}

static void do_get_one(struct gdb_stub *s, const char *p)
{
	uint8_t buf[GDB_REG_MAX];
	struct cpu_regs regs;
	uint64_t n;
	int rc;

	if (!gdb_take_number(&p, &n) || *p || n >= gdb_nr_regs()) {
		fail(s, EINVAL);
		return;
	}
	rc = s->ops->get_regs(s->target, s->cpu, &regs);
	if (rc) {
		fail(s, rc);
		return;
	}
	gdb_reg_get(&regs, (unsigned int)n, buf);
	gdb_body_hex(&s->out, buf, gdb_reg_size((unsigned int)n));
}

static void do_set_one(struct gdb_stub *s, const char *p)
{
	uint64_t n;

	if (!gdb_take_number(&p, &n) || n >= gdb_nr_regs() ||
	    !gdb_take(&p, '='))
		fail(s, EINVAL);
	else
		result(s, set_regs(s, (unsigned int)n, 1, p));
}

/* "ADDRESS,LENGTH", and then @end. */
static bool take_range(const char **p, char end, uint64_t *addr, uint64_t *len)
{
	return gdb_take_number(p, addr) && gdb_take(p, ',') &&
	       gdb_take_number(p, len) && (end ? gdb_take(p, end) : !**p);
}

static void do_read(struct gdb_stub *s, const char *p)
{
	uint8_t buf[GDB_BODY_MAX / 2];
	uint64_t addr, len;
	size_t got;

	if (!take_range(&p, '\0', &addr, &len)) {
		fail(s, EINVAL);
		return;
	}
	if (len > sizeof(buf))
		len = sizeof(buf);
	got = s->ops->read(s->target, s->cpu, addr, buf, len);
	if (len && !got)
		fail(s, EFAULT);
	else
		gdb_body_hex(&s->out, buf, got);
}

static void do_write(struct gdb_stub *s, const char *p)
{
	uint8_t buf[GDB_BODY_MAX / 2];
	uint64_t addr, len;

	if (!take_range(&p, ':', &addr, &len) || len > sizeof(buf) ||
	    !gdb_take_bytes(&p, buf, len) || *p)
		fail(s, EINVAL);
	else
		result(s,
		       s->ops->write(s->target, s->cpu, addr, buf, len) == len ?
			       0 :
			       -EFAULT);
}

/* The bytes may be any, zeros too; what has a meaning in frames is escaped. */
static void do_write_binary(struct gdb_stub *s, const char *p)
{
	const char *end = s->in.body + s->in.len;
	char *out = s->in.body;
	uint64_t addr, len, got = 0;

	if (!take_range(&p, ':', &addr, &len)) {
		fail(s, EINVAL);
		return;
	}
	/* In place: it only gets shorter. */
	for (; p < end; p++) {
		if (*p == '}' && p + 1 < end)
			out[got++] = (char)(*++p ^ 0x20);
		else
			out[got++] = *p;
	}
	if (got != len)
		fail(s, EINVAL);
	else
		result(s,
		       s->ops->write(s->target, s->cpu, addr, out, len) == len ?
			       0 :
			       -EFAULT);
}

static void point(struct gdb_stub *s, const char *p, bool insert)
{
	enum gdb_point kind = (enum gdb_point)(*p - '0');
	uint64_t addr, len;
	int rc;

	if (*p < '0' || *p > '4' || kind == GDB_WATCH_READ) {
		answer(s, ""); /* GDB then does it with what there is */
		return;
	}
	p++;
	/* Conditions to be checked here come after a semicolon: none are. */
	if (!gdb_take(&p, ',') || !take_range(&p, '\0', &addr, &len)) {
		fail(s, EINVAL);
		return;
	}
	rc = insert ? s->ops->insert(s->target, s->cpu, kind, addr, len) :
		      s->ops->remove(s->target, kind, addr, len);
	result(s, rc);
}

static void do_insert(struct gdb_stub *s, const char *p)
{
	point(s, p, true);
}

static void do_remove(struct gdb_stub *s, const char *p)
{
	point(s, p, false);
}

/* ---- running ---- */

static void do_stop_reason(struct gdb_stub *s, const char *p)
{
	(void)p;
	add_stop(s);
}

/* No answer yet: that comes when it stops. */
static void resume(struct gdb_stub *s, const enum gdb_action *actions)
{
	int rc;

	s->waiting = true;
	rc = s->ops->resume(s->target, actions);
	if (rc) {
		s->waiting = false;
		fail(s, rc);
	}
}

/* c, s, C and S: "[SIGNAL;][ADDRESS]", of which signals mean nothing here. */
static void go(struct gdb_stub *s, const char *p, bool signal,
	       enum gdb_action action)
{
	enum gdb_action actions[VM_MAX_VCPUS];
	unsigned int i, cpu = s->cont_cpu < 0 ? s->cpu : (unsigned)s->cont_cpu;
	struct cpu_regs regs;
	uint64_t n;
	int rc;

	if (signal && !gdb_take_number(&p, &n)) {
		fail(s, EINVAL);
		return;
	}
	if (signal)
		gdb_take(&p, ';');
	if (*p) {
		rc = s->ops->get_regs(s->target, cpu, &regs);
		if (!rc && (!gdb_take_number(&p, &regs.rip) || *p))
			rc = -EINVAL;
		if (!rc)
			rc = s->ops->set_regs(s->target, cpu, &regs);
		if (rc) {
			fail(s, rc);
			return;
		}
	}
	for (i = 0; i < VM_MAX_VCPUS; i++)
		actions[i] = GDB_CONTINUE;
	actions[cpu] = action;
	resume(s, actions);
}

static void do_continue(struct gdb_stub *s, const char *p)
{
	go(s, p, false, GDB_CONTINUE);
}

static void do_step(struct gdb_stub *s, const char *p)
{
	go(s, p, false, GDB_STEP);
}

static void do_continue_signal(struct gdb_stub *s, const char *p)
{
	go(s, p, true, GDB_CONTINUE);
}

static void do_step_signal(struct gdb_stub *s, const char *p)
{
	go(s, p, true, GDB_STEP);
}

static void do_can_resume(struct gdb_stub *s, const char *p)
{
	(void)p;
	text(s, "vCont;c;C;s;S");
}

/* One ";ACTION[:THREAD]" of vCont; the first that names a thread counts. */
static bool take_action(struct gdb_stub *s, const char **p,
			enum gdb_action *actions, uint64_t *decided)
{
	unsigned int i, cpu = 0, nr = s->ops->nr_cpus(s->target);
	enum gdb_action action = GDB_CONTINUE;
	bool all = true;
	uint64_t n;
	char c;

	if (!gdb_take(p, ';'))
		return false;
	c = **p;
	if (!c || !strchr("cCsS", c))
		return false;
	(*p)++;
	if (c == 's' || c == 'S')
		action = GDB_STEP;
	if ((c == 'C' || c == 'S') && !gdb_take_number(p, &n))
		return false;
	if (gdb_take(p, ':')) {
		if (!strncmp(*p, "-1", 2)) {
			*p += 2;
		} else {
			if (!gdb_take_number(p, &n) || !thread_cpu(s, n, &cpu))
				return false;
			all = false;
		}
	}
	for (i = 0; i < nr; i++) {
		if ((!all && i != cpu) || *decided & 1ULL << i)
			continue;
		actions[i] = action;
		*decided |= 1ULL << i;
	}
	return true;
}

static void do_resume(struct gdb_stub *s, const char *p)
{
	enum gdb_action actions[VM_MAX_VCPUS] = { GDB_STAY };
	uint64_t decided = 0;

	while (*p) {
		if (!take_action(s, &p, actions, &decided)) {
			fail(s, EINVAL);
			return;
		}
	}
	if (decided)
		resume(s, actions);
	else
		fail(s, EINVAL);
}

static void do_detach(struct gdb_stub *s, const char *p)
{
	(void)p;
	s->attached = false;
	s->waiting = false;
	s->ops->detach(s->target);
	answer(s, "OK");
}

static void do_kill(struct gdb_stub *s, const char *p)
{
	(void)p;
	s->ops->kill(s->target);
	answer(s, "OK");
}

static void do_restart(struct gdb_stub *s, const char *p)
{
	(void)p;
	s->ops->reset(s->target);
	answer(s, "OK");
}

/* ---- what the two can do, and for people ---- */

static void do_supported(struct gdb_stub *s, const char *p)
{
	s->tells_breaks = strstr(p, "swbreak+") && strstr(p, "hwbreak+");
	text(s, "PacketSize=");
	number(s, GDB_BODY_MAX);
	text(s, ";qXfer:features:read+;QStartNoAckMode+;vContSupported+;"
		"swbreak+;hwbreak+");
}

static void do_no_ack(struct gdb_stub *s, const char *p)
{
	(void)p;
	s->no_ack = true;
	answer(s, "OK");
}

static void do_ok(struct gdb_stub *s, const char *p)
{
	(void)p;
	answer(s, "OK");
}

/* So that GDB detaches when it quits, and does not kill. */
static void do_attached(struct gdb_stub *s, const char *p)
{
	(void)p;
	text(s, "1");
}

static void do_features(struct gdb_stub *s, const char *p)
{
	uint64_t off, len, size = strlen(s->xml);

	if (!take_range(&p, '\0', &off, &len) || off > size) {
		fail(s, EINVAL);
		return;
	}
	/* Room for escapes and the letter before. */
	if (len > GDB_BODY_MAX / 2)
		len = GDB_BODY_MAX / 2;
	s->binary = true;
	text(s, len < size - off ? "m" : "l");
	if (len > size - off)
		len = size - off;
	memcpy(s->out.text + s->out.len, s->xml + off, len);
	s->out.len += len;
}

static void monitor_help(struct gdb_stub *s, char *buf, size_t size)
{
	(void)s;
	strncpy(buf,
		"monitor help            print this\n"
		"monitor info registers  all registers of the vCPU, and its code\n"
		"monitor reset           reset the machine, which stays stopped\n",
		size - 1);
}

static void monitor_registers(struct gdb_stub *s, char *buf, size_t size)
{
	s->ops->describe(s->target, s->cpu, buf, size);
}

static void monitor_reset(struct gdb_stub *s, char *buf, size_t size)
{
	s->ops->reset(s->target);
	strncpy(buf,
		"The machine is reset; GDB still shows what it was "
		"(maintenance flush register-cache).\n",
		size - 1);
}

static void do_monitor(struct gdb_stub *s, const char *p)
{
	static const struct {
		const char *name;
		void (*fn)(struct gdb_stub *s, char *buf, size_t size);
	} commands[] = {
		{ "help", monitor_help },
		{ "info registers", monitor_registers },
		{ "reset", monitor_reset },
	};
	char line[64] = "", buf[MONITOR_MAX];
	size_t i, len = strlen(p) / 2;

	if (len >= sizeof(line) || !gdb_take_bytes(&p, (uint8_t *)line, len) ||
	    *p) {
		fail(s, EINVAL);
		return;
	}
	memset(buf, 0, sizeof(buf));
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(line, commands[i].name))
			break;
	if (i < sizeof(commands) / sizeof(commands[0]))
		commands[i].fn(s, buf, sizeof(buf));
	else
		strcpy(buf, "No such command (monitor help).\n");
	gdb_body_hex(&s->out, buf, strlen(buf));
}

/* ---- packets ---- */

/* The first row whose name a packet begins with. */
static const struct {
	const char *name;
	void (*fn)(struct gdb_stub *s, const char *rest);
	bool stopped; /* refused while the target runs */
} packets[] = {
	{ "?", do_stop_reason, true },
	{ "!", do_ok, false },
	{ "c", do_continue, true },
	{ "C", do_continue_signal, true },
	{ "D", do_detach, false },
	{ "g", do_get_all, true },
	{ "G", do_set_all, true },
	{ "H", do_set_thread, false },
	{ "k", do_kill, false },
	{ "m", do_read, true },
	{ "M", do_write, true },
	{ "p", do_get_one, true },
	{ "P", do_set_one, true },
	{ "qAttached", do_attached, false },
	{ "qC", do_current, false },
	{ "qfThreadInfo", do_threads, false },
	{ "qsThreadInfo", do_no_more_threads, false },
	{ "qRcmd,", do_monitor, true },
	{ "qSupported", do_supported, false },
	{ "qThreadExtraInfo,", do_thread_info, true },
	{ "qXfer:features:read:target.xml:", do_features, false },
	{ "QStartNoAckMode", do_no_ack, false },
	{ "R", do_restart, false },
	{ "s", do_step, true },
	{ "S", do_step_signal, true },
	{ "T", do_alive, false },
	{ "vCont?", do_can_resume, false },
	{ "vCont", do_resume, true },
	{ "vKill;", do_kill, false },
	{ "X", do_write_binary, true },
	{ "Z", do_insert, true },
	{ "z", do_remove, true },
};

static void handle(struct gdb_stub *s)
{
	const char *body = s->in.body;
	bool waited = s->waiting;
	size_t i, len;

	s->out.len = 0;
	s->binary = false;
	if (!s->attached) {
		s->attached = true;
		s->ops->attach(s->target, &s->stop);
		s->cpu = s->stop.cpu;
	}
	for (i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		len = strlen(packets[i].name);
		if (strncmp(body, packets[i].name, len))
			continue;
		if (packets[i].stopped && s->ops->runs(s->target))
			fail(s, EBUSY);
		else
			packets[i].fn(s, body + len);
		break;
	}
	/* What is not known gets the empty answer. */
	if (waited || !s->waiting)
		send_out(s);
}

static void ack(struct gdb_stub *s, char c)
{
	if (!s->no_ack)
		s->send(s->opaque, &c, 1);
}

void gdb_stub_byte(struct gdb_stub *s, uint8_t byte)
{
	switch (gdb_framer_byte(&s->in, byte)) {
	case GDB_INPUT_PACKET:
		ack(s, '+');
		handle(s);
		break;
	case GDB_INPUT_BROKEN:
		ack(s, '-');
		break;
	case GDB_INPUT_TOO_LONG:
		ack(s, '+');
		s->binary = false;
		fail(s, E2BIG);
		send_out(s);
		break;
	case GDB_INPUT_RESEND:
		if (s->frame_len && !s->no_ack)
			s->send(s->opaque, s->frame, s->frame_len);
		break;
	case GDB_INPUT_INTERRUPT:
		if (s->attached)
			s->ops->interrupt(s->target);
		break;
	case GDB_INPUT_MORE:
		break;
	}
}
