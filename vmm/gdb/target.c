// SPDX-License-Identifier: GPL-2.0-or-later
#include "target.h"

#include <errno.h>
#include <string.h>

#include "../crash.h"
#include "../log.h"
#include "../paging.h"
#include "../vcpu.h"

#define INT3 0xcc

static const struct accel_ops *ops(const struct gdb_target *t)
{
	return t->vm->accel->ops;
}

static unsigned int nr_cpus(void *target)
{
	struct gdb_target *t = target;

	return t->vm->nr_vcpus;
}

static int get_regs(void *target, unsigned int cpu, struct cpu_regs *regs)
{
	struct gdb_target *t = target;

	return ops(t)->get_regs(t->vm->vcpus[cpu].accel, regs);
}

static int set_regs(void *target, unsigned int cpu, const struct cpu_regs *regs)
{
	struct gdb_target *t = target;

	return ops(t)->set_regs(t->vm->vcpus[cpu].accel, regs);
}

static void describe(void *target, unsigned int cpu, char *buf, size_t size)
{
	struct gdb_target *t = target;
	char text[CPU_TEXT_MAX];
	struct cpu_regs regs;

	if (get_regs(t, cpu, &regs))
		return;
	cpu_describe(&regs, &t->vm->mem, text);
	strncpy(buf, text, size - 1);
}

/* ---- memory ---- */

/*
 * One page's part of what was read is in @buf: the client never sees its own
 * breakpoints.
 */
static void show_under(const struct gdb_target *t, uint64_t gpa, uint8_t *buf,
		       size_t len)
{
	unsigned int i;

	for (i = 0; i < t->debug.nr_int3; i++)
		if (t->under[i].gpa - gpa < len)
			buf[t->under[i].gpa - gpa] = t->under[i].byte;
}

/* And what it writes goes under them; several may be of one byte. */
static void put_under(struct gdb_target *t, uint64_t gpa, uint8_t *buf,
		      size_t len)
{
	unsigned int i;

	for (i = 0; i < t->debug.nr_int3; i++)
		if (t->under[i].gpa - gpa < len)
			t->under[i].byte = buf[t->under[i].gpa - gpa];
	for (i = 0; i < t->debug.nr_int3; i++)
		if (t->under[i].gpa - gpa < len)
			buf[t->under[i].gpa - gpa] = INT3;
}

static size_t access_memory(struct gdb_target *t, unsigned int cpu,
			    uint64_t addr, uint8_t *buf, size_t len, bool write)
{
	uint8_t page[4096];
	struct cpu_regs regs;
	uint64_t gpa, n;
	size_t done = 0;

	if (get_regs(t, cpu, &regs))
		return 0;
	while (done < len) {
		if (paging_walk(&t->vm->mem, &regs, addr + done, &gpa, &n))
			break;
		if (n > sizeof(page) - gpa % sizeof(page))
			n = sizeof(page) - gpa % sizeof(page);
		if (n > len - done)
			n = len - done;
		if (write) {
			memcpy(page, buf + done, n);
			if (!mem_ptr(&t->vm->mem, gpa, n, MEM_WRITE))
				break;
			put_under(t, gpa, page, n);
			mem_write(&t->vm->mem, gpa, page, n);
		} else {
			if (mem_read(&t->vm->mem, gpa, buf + done, n))
				break;
			show_under(t, gpa, buf + done, n);
		}
		done += n;
	}
	return done;
}

static size_t read_memory(void *target, unsigned int cpu, uint64_t addr,
			  void *buf, size_t len)
{
	return access_memory(target, cpu, addr, buf, len, false);
}

static size_t write_memory(void *target, unsigned int cpu, uint64_t addr,
			   const void *buf, size_t len)
{
	return access_memory(target, cpu, addr, (uint8_t *)buf, len, true);
}

/* ---- breakpoints ---- */

/* debug.watch from what was asked for; -ENOSPC: that is too much. */
static int set_watches(struct gdb_target *t)
{
	static const enum cpu_watch kinds[] = {
		[GDB_POINT_SOFTWARE] = CPU_WATCH_EXEC,
		[GDB_POINT_HARDWARE] = CPU_WATCH_EXEC,
		[GDB_WATCH_WRITE] = CPU_WATCH_WRITE,
		[GDB_WATCH_ACCESS] = CPU_WATCH_ACCESS,
	};
	struct cpu_debug *d = &t->debug;
	unsigned int i;
	uint64_t addr, left, len;

	d->nr_watches = 0;
	for (i = 0; i < t->nr_asked; i++) {
		addr = t->asked[i].addr;
		left = t->asked[i].len;
		for (; left; left -= len, addr += len) {
			if (d->nr_watches == CPU_NR_WATCHES)
				return -ENOSPC;
			for (len = 8; len > left || addr % len; len /= 2)
				;
			d->watch[d->nr_watches].addr = addr;
			d->watch[d->nr_watches].len = (uint8_t)len;
			d->watch[d->nr_watches].kind = kinds[t->asked[i].point];
			t->asked_of[d->nr_watches++] = (uint8_t)i;
		}
	}
	return 0;
}

static int add_watch(struct gdb_target *t, enum gdb_point point, uint64_t addr,
		     uint64_t len)
{
	bool code = point <= GDB_POINT_HARDWARE;
	int rc;

	if (!(t->can & (code ? CPU_CAN_EXEC : CPU_CAN_WATCH)))
		return -EOPNOTSUPP;
	if (t->nr_asked == CPU_NR_WATCHES)
		return -ENOSPC;
	t->asked[t->nr_asked].point = point;
	t->asked[t->nr_asked].addr = addr;
	/* Of code, the first byte. */
	t->asked[t->nr_asked].len = code ? 1 : len;
	t->nr_asked++;
	rc = set_watches(t);
	if (rc) {
		t->nr_asked--;
		set_watches(t);
	}
	return rc;
}

static bool remove_watch(struct gdb_target *t, enum gdb_point point,
			 uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < t->nr_asked; i++) {
		if (t->asked[i].point != point || t->asked[i].addr != addr)
			continue;
		t->asked[i] = t->asked[--t->nr_asked];
		set_watches(t);
		return true;
	}
	return false;
}

static bool has_watch(const struct gdb_target *t, enum gdb_point point,
		      uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < t->nr_asked; i++)
		if (t->asked[i].point == point && t->asked[i].addr == addr)
			return true;
	return false;
}

static unsigned int find_int3(const struct gdb_target *t, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < t->debug.nr_int3; i++)
		if (t->debug.int3[i] == addr)
			break;
	return i;
}

/* Another linear address may be of the same byte; nr_int3: none is. */
static unsigned int find_under(const struct gdb_target *t, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < t->debug.nr_int3; i++)
		if (t->under[i].gpa == gpa)
			break;
	return i;
}

/* Puts back what was there, unless the guest has put something else. */
static void remove_int3(struct gdb_target *t, unsigned int i)
{
	struct cpu_debug *d = &t->debug;
	const uint64_t gpa = t->under[i].gpa;
	const uint8_t byte = t->under[i].byte;
	uint8_t now;

	d->nr_int3--;
	d->int3[i] = d->int3[d->nr_int3];
	t->under[i] = t->under[d->nr_int3];
	if (find_under(t, gpa) == d->nr_int3 &&
	    !mem_read(&t->vm->mem, gpa, &now, 1) && now == INT3)
		mem_write(&t->vm->mem, gpa, &byte, 1);
}

static int add_int3(struct gdb_target *t, unsigned int cpu, uint64_t addr)
{
	const uint8_t int3 = INT3;
	struct cpu_debug *d = &t->debug;
	struct cpu_regs regs;
	unsigned int other;
	uint64_t gpa, left;
	uint8_t byte;
	int rc = get_regs(t, cpu, &regs);

	if (rc)
		return rc;
	if (d->nr_int3 == CPU_MAX_BREAKPOINTS)
		return -ENOSPC;
	if (paging_walk(&t->vm->mem, &regs, addr, &gpa, &left) ||
	    mem_read(&t->vm->mem, gpa, &byte, 1) ||
	    mem_write(&t->vm->mem, gpa, &int3, 1))
		return -EFAULT;
	other = find_under(t, gpa);
	t->under[d->nr_int3].byte = other < d->nr_int3 ? t->under[other].byte :
							 byte;
	t->under[d->nr_int3].gpa = gpa;
	d->int3[d->nr_int3++] = addr;
	return 0;
}

static int insert(void *target, unsigned int cpu, enum gdb_point point,
		  uint64_t addr, uint64_t len)
{
	struct gdb_target *t = target;
	int rc;

	if (has_watch(t, point, addr))
		return 0;
	if (point != GDB_POINT_SOFTWARE)
		return add_watch(t, point, addr, len);
	if (find_int3(t, addr) < t->debug.nr_int3)
		return 0;
	rc = t->can & CPU_CAN_INT3 ? add_int3(t, cpu, addr) : -EFAULT;
	return rc == -EFAULT ? add_watch(t, point, addr, 1) : rc;
}

static int remove(void *target, enum gdb_point point, uint64_t addr,
		  uint64_t len)
{
	struct gdb_target *t = target;
	unsigned int i = find_int3(t, addr);

	(void)len;
	if (point == GDB_POINT_SOFTWARE && i < t->debug.nr_int3)
		remove_int3(t, i);
	else
		remove_watch(t, point, addr);
	return 0; /* what is not there is removed */
}

/*
 * The memory that INT3s were in is something else, and nothing is mapped where
 * they were: debug registers hold over that, as far as they go.
 */
void gdb_target_reset(struct gdb_target *t)
{
	unsigned int i;
	uint64_t addr;

	for (i = 0; i < t->vm->nr_vcpus; i++)
		vcpu_hold(&t->vm->vcpus[i], false);
	while (t->debug.nr_int3) {
		addr = t->debug.int3[--t->debug.nr_int3];
		if (add_watch(t, GDB_POINT_SOFTWARE, addr, 1))
			log_warn("gdb",
				 "the breakpoint at %#llx is lost in the reset",
				 (unsigned long long)addr);
	}
	for (i = 0; t->debugging && i < t->vm->nr_vcpus; i++)
		ops(t)->set_debug(t->vm->vcpus[i].accel, &t->debug, false);
}

/* ---- running and stopping ---- */

static bool runs(void *target)
{
	struct gdb_target *t = target;

	return t->vm->state == VM_RUNNING;
}

/* Steps before all: who was stepped is waited for.  What else was hit will be
 * hit again, but for watchpoints of two vCPUs at once: one is told. */
static void find_hit(struct gdb_target *t, struct gdb_stop *why)
{
	unsigned int i, best = CPU_HIT_NONE, asked;
	struct cpu_hit hit;

	for (i = 0; i < t->vm->nr_vcpus; i++) {
		if (!t->vm->vcpus[i].hit)
			continue;
		hit = ops(t)->hit(t->vm->vcpus[i].accel);
		if (hit.kind <= best)
			continue;
		best = hit.kind;
		*why = (struct gdb_stop){ .cpu = i, .signal = GDB_SIGTRAP };
		if (hit.kind == CPU_HIT_INT3) {
			why->at_point = true;
			why->point = GDB_POINT_SOFTWARE;
		} else if (hit.kind == CPU_HIT_WATCH) {
			asked = t->asked_of[hit.watch];
			why->at_point = true;
			why->point = t->asked[asked].point;
			why->addr = t->debug.watch[hit.watch].addr;
		}
	}
}

void gdb_target_paused(struct gdb_target *t, struct gdb_stop *why)
{
	unsigned int i;

	*why = (struct gdb_stop){ .signal = GDB_SIGINT };
	t->ours = t->interrupted || vcpus_hit(t->vm);
	t->interrupted = false;
	if (t->vm->crashed) {
		t->ours = false;
		why->cpu = t->vm->crash_vcpu;
		why->signal = GDB_SIGSEGV;
	} else {
		find_hit(t, why);
	}
	/* Others may let it run: then as if no debugger were there. */
	for (i = 0; i < t->vm->nr_vcpus; i++) {
		vcpu_hold(&t->vm->vcpus[i], false);
		if (t->debugging)
			ops(t)->set_debug(t->vm->vcpus[i].accel, &t->debug,
					  false);
	}
}

static void interrupt(void *target)
{
	struct gdb_target *t = target;

	if (t->vm->state != VM_RUNNING)
		return;
	t->interrupted = true;
	vm_pause(t->vm);
}

static void attach(void *target, struct gdb_stop *why)
{
	struct gdb_target *t = target;

	interrupt(t);
	*why = (struct gdb_stop){ .signal = GDB_SIGTRAP };
	if (t->vm->crashed) {
		why->cpu = t->vm->crash_vcpu;
		why->signal = GDB_SIGSEGV;
	}
}

static int resume(void *target, const enum gdb_action *actions)
{
	struct gdb_target *t = target;
	bool any = t->debug.nr_int3 || t->debug.nr_watches;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < t->vm->nr_vcpus; i++) {
		if (actions[i] == GDB_STEP && !(t->can & CPU_CAN_STEP))
			return -EOPNOTSUPP;
		any |= actions[i] == GDB_STEP;
	}
	for (i = 0; !rc && i < t->vm->nr_vcpus; i++) {
		if (any || t->debugging)
			rc = ops(t)->set_debug(t->vm->vcpus[i].accel,
					       any ? &t->debug : NULL,
					       actions[i] == GDB_STEP);
		vcpu_hold(&t->vm->vcpus[i], actions[i] == GDB_STAY);
	}
	t->debugging = any;
	if (rc)
		return rc;
	vm_resume(t->vm);
	return t->vm->state == VM_RUNNING ? 0 : -EBUSY;
}

static void detach(void *target)
{
	struct gdb_target *t = target;
	unsigned int i;

	interrupt(t);
	while (t->debug.nr_int3)
		remove_int3(t, 0);
	t->nr_asked = 0;
	t->debug.nr_watches = 0;
	for (i = 0; i < t->vm->nr_vcpus; i++) {
		if (t->debugging)
			ops(t)->set_debug(t->vm->vcpus[i].accel, NULL, false);
		vcpu_hold(&t->vm->vcpus[i], false);
	}
	t->debugging = false;
	if (t->ours)
		vm_resume(t->vm);
}

static void kill_vm(void *target)
{
	struct gdb_target *t = target;

	vm_request_by(t->vm, VM_REQ_STOP, VM_BY_USER);
}

static void reset(void *target)
{
	struct gdb_target *t = target;

	vm_request_by(t->vm, VM_REQ_RESET, VM_BY_USER);
}

const struct gdb_target_ops gdb_vm_ops = {
	.nr_cpus = nr_cpus,
	.attach = attach,
	.detach = detach,
	.runs = runs,
	.resume = resume,
	.interrupt = interrupt,
	.kill = kill_vm,
	.reset = reset,
	.get_regs = get_regs,
	.set_regs = set_regs,
	.read = read_memory,
	.write = write_memory,
	.insert = insert,
	.remove = remove,
	.describe = describe,
};
