// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VM as the debugger's target, on an accelerator that only remembers: not
 * every KVM that tests run on stops at breakpoints.
 */
#include "cmocka_unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "cpu.h"
#include "error.h"
#include "gdb/target.h"
#include "vcpu.h"

#define MIB (1ULL << 20)
#define NR_CPUS 3

struct accel_vcpu {
	struct cpu_regs regs;
	const struct cpu_debug *debug;
	bool step;
	struct cpu_hit hit;
	int debug_error;
};

struct rig {
	struct vm vm;
	struct config cfg;
	struct accel accel;
	struct accel_ops ops;
	struct accel_vcpu accel_vcpus[NR_CPUS];
	struct vcpu vcpus[NR_CPUS];
	struct gdb_target target;
	struct vm_listener listener;
	struct gdb_stop stop;
	unsigned int stops;
};

static int fake_get_regs(struct accel_vcpu *vcpu, struct cpu_regs *regs)
{
	*regs = vcpu->regs;
	return 0;
}

static int fake_set_debug(struct accel_vcpu *vcpu,
			  const struct cpu_debug *debug, bool step)
{
	if (vcpu->debug_error)
		return vcpu->debug_error;
	vcpu->debug = debug;
	vcpu->step = step;
	return 0;
}

static struct cpu_hit fake_hit(struct accel_vcpu *vcpu)
{
	return vcpu->hit;
}

static void fake_nothing(struct accel_vcpu *vcpu)
{
	(void)vcpu;
}

static void on_event(void *opaque, enum vm_event event, enum vm_cause cause)
{
	struct rig *r = opaque;

	(void)cause;
	if (event == VM_EVENT_STOP) {
		gdb_target_paused(&r->target, &r->stop);
		r->stops++;
	} else if (event == VM_EVENT_RESET) {
		gdb_target_reset(&r->target);
	}
}

static int setup(void **state)
{
	const struct mem_options opt = { .size = 16 * MIB };
	struct rig *r = calloc(1, sizeof(*r));
	unsigned int i;

	*state = r;
	r->ops.get_regs = fake_get_regs;
	r->ops.set_debug = fake_set_debug;
	r->ops.hit = fake_hit;
	r->ops.was_paused = fake_nothing;
	r->ops.kick = fake_nothing;
	r->accel.ops = &r->ops;
	r->vm.cfg = &r->cfg;
	r->vm.accel = &r->accel;
	r->vm.vcpus = r->vcpus;
	r->vm.nr_vcpus = NR_CPUS;
	r->vm.state = VM_RUNNING;
	pthread_mutex_init(&r->vm.lock, NULL);
	pthread_cond_init(&r->vm.cond, NULL);
	for (i = 0; i < NR_CPUS; i++) {
		r->vcpus[i].vm = &r->vm;
		r->vcpus[i].id = i;
		r->vcpus[i].accel = &r->accel_vcpus[i];
	}
	r->target.vm = &r->vm;
	r->target.can = CPU_CAN_ALL;
	r->listener.fn = on_event;
	r->listener.opaque = r;
	vm_listen(&r->vm, &r->listener);
	return mem_init(&r->vm.mem, &mem_backend_memfd, &opt, NULL);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	mem_destroy(&r->vm.mem);
	free(r);
	return 0;
}

static void attaches(struct rig *r)
{
	struct gdb_stop why;

	gdb_vm_ops.attach(&r->target, &why);
	assert_int_equal(why.signal, GDB_SIGTRAP);
	assert_int_equal(r->vm.state, VM_PAUSED);
}

static int insert(struct rig *r, enum gdb_point point, uint64_t addr,
		  uint64_t len)
{
	return gdb_vm_ops.insert(&r->target, 0, point, addr, len);
}

static void removes(struct rig *r, enum gdb_point point, uint64_t addr)
{
	assert_int_equal(gdb_vm_ops.remove(&r->target, point, addr, 1), 0);
}

static int resume(struct rig *r, enum gdb_action a, enum gdb_action b,
		  enum gdb_action c)
{
	const enum gdb_action actions[NR_CPUS] = { a, b, c };

	return gdb_vm_ops.resume(&r->target, actions);
}

static void continues(struct rig *r)
{
	assert_int_equal(resume(r, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE),
			 0);
	assert_int_equal(r->vm.state, VM_RUNNING);
}

static uint8_t byte_at(struct rig *r, uint64_t gpa)
{
	return *(uint8_t *)mem_ptr(&r->vm.mem, gpa, 1, MEM_READ);
}

static void hits(struct rig *r, unsigned int cpu, int kind, unsigned int watch)
{
	r->accel_vcpus[cpu].hit.kind = kind;
	r->accel_vcpus[cpu].hit.watch = watch;
	r->vcpus[cpu].hit = true;
}

/* What the vCPU's thread would ask for. */
static void stops(struct rig *r)
{
	r->vm.on_hit.fn = NULL;
	vm_pause(&r->vm);
}

static void software(void **state)
{
	struct rig *r = *state;
	uint8_t buf[4];

	mem_write(&r->vm.mem, 0x1000, "abcd", 4);
	attaches(r);
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1001, 1), 0);
	assert_int_equal(byte_at(r, 0x1001), 0xcc);
	/* Once more changes nothing, not even the byte that is kept. */
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1001, 1), 0);
	assert_int_equal(r->target.debug.nr_int3, 1);
	/* The client does not see it, and writes under it. */
	assert_int_equal(gdb_vm_ops.read(&r->target, 0, 0x1000, buf, 4), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(gdb_vm_ops.write(&r->target, 0, 0x1000, "ABCD", 4), 4);
	assert_int_equal(byte_at(r, 0x1000), 'A');
	assert_int_equal(byte_at(r, 0x1001), 0xcc);
	removes(r, GDB_POINT_SOFTWARE, 0x1001);
	assert_int_equal(byte_at(r, 0x1001), 'B');
	removes(r, GDB_POINT_SOFTWARE, 0x1001);
	assert_int_equal(r->target.debug.nr_int3, 0);

	/* What the guest has written over it stays. */
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1001, 1), 0);
	mem_write(&r->vm.mem, 0x1001, "z", 1);
	removes(r, GDB_POINT_SOFTWARE, 0x1001);
	assert_int_equal(byte_at(r, 0x1001), 'z');
}

/* Two addresses of one byte, and no order in which they go. */
static void aliases(void **state)
{
	struct rig *r = *state;
	struct cpu_regs *regs = &r->accel_vcpus[0].regs;
	const uint64_t entries[] = { 0x3001, 0x4001, 0x5001 };
	unsigned int i;
	uint64_t page = 0x8001;
	uint8_t byte;

	for (i = 0; i < 3; i++)
		mem_write(&r->vm.mem, 0x2000 + 0x1000 * i, &entries[i], 8);
	mem_write(&r->vm.mem, 0x5000, &page, 8);
	mem_write(&r->vm.mem, 0x5008, &page, 8);
	mem_write(&r->vm.mem, 0x8000, "a", 1);
	regs->cr0 = CR0_PE | CR0_PG;
	regs->cr4 = CR4_PAE;
	regs->efer = EFER_LMA;
	regs->cr3 = 0x2000;
	attaches(r);
	for (i = 0; i < 2; i++) {
		assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0, 1), 0);
		assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1000, 1), 0);
		assert_int_equal(r->target.debug.nr_int3, 2);
		assert_int_equal(gdb_vm_ops.write(&r->target, 0, 0, "b", 1), 1);
		assert_int_equal(gdb_vm_ops.read(&r->target, 0, 0x1000, &byte,
						 1),
				 1);
		assert_int_equal(byte, 'b');
		removes(r, GDB_POINT_SOFTWARE, i ? 0 : 0x1000);
		assert_int_equal(byte_at(r, 0x8000), 0xcc);
		removes(r, GDB_POINT_SOFTWARE, i ? 0x1000 : 0);
		assert_int_equal(byte_at(r, 0x8000), 'b');
	}
}

/* Where no INT3 can be, a debug register is; there are four. */
static void without_memory(void **state)
{
	struct rig *r = *state;
	uint64_t addr;

	attaches(r);
	for (addr = 0xf0000000; addr < 0xf0000004; addr++)
		assert_int_equal(insert(r, GDB_POINT_SOFTWARE, addr, 1), 0);
	assert_int_equal(r->target.debug.nr_int3, 0);
	assert_int_equal(r->target.debug.nr_watches, 4);
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, addr, 1), -ENOSPC);
	assert_int_equal(insert(r, GDB_POINT_HARDWARE, addr, 1), -ENOSPC);
	assert_int_equal(r->target.debug.nr_watches, 4);
	removes(r, GDB_POINT_SOFTWARE, 0xf0000001);
	assert_int_equal(insert(r, GDB_POINT_HARDWARE, addr, 1), 0);
	removes(r, GDB_POINT_HARDWARE, 0xf0000002); /* that is the other kind */
	assert_int_equal(r->target.debug.nr_watches, 4);
}

/* On hosts whose KVM does less. */
static void poor_hosts(void **state)
{
	struct rig *r = *state;

	attaches(r);
	r->target.can = CPU_CAN_EXEC | CPU_CAN_STEP;
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1000, 1), 0);
	assert_int_equal(r->target.debug.nr_int3, 0);
	assert_int_equal(r->target.debug.nr_watches, 1);
	assert_int_equal(insert(r, GDB_WATCH_WRITE, 0x1000, 1), -EOPNOTSUPP);
	assert_int_equal(insert(r, GDB_WATCH_ACCESS, 0x1000, 1), -EOPNOTSUPP);
	removes(r, GDB_POINT_SOFTWARE, 0x1000);
	assert_int_equal(r->target.debug.nr_watches, 0);

	r->target.can = CPU_CAN_WATCH;
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1000, 1), -EOPNOTSUPP);
	assert_int_equal(insert(r, GDB_POINT_HARDWARE, 0x1000, 1), -EOPNOTSUPP);
	assert_int_equal(insert(r, GDB_WATCH_WRITE, 0x1000, 1), 0);
	assert_int_equal(resume(r, GDB_STEP, GDB_CONTINUE, GDB_CONTINUE),
			 -EOPNOTSUPP);
	assert_int_equal(r->vm.state, VM_PAUSED);
	continues(r);
}

static void many(void **state)
{
	struct rig *r = *state;
	unsigned int i;

	attaches(r);
	for (i = 0; i < CPU_MAX_BREAKPOINTS; i++)
		assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 16 * i, 1), 0);
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 16 * i, 1), -ENOSPC);
	assert_int_equal(byte_at(r, 16 * i), 0);
	gdb_vm_ops.detach(&r->target);
	for (i = 0; i < CPU_MAX_BREAKPOINTS; i++)
		assert_int_equal(byte_at(r, 16 * i), 0);
}

static void watch_is(struct rig *r, unsigned int i, uint64_t addr, uint8_t len,
		     enum cpu_watch kind)
{
	assert_int_equal(r->target.debug.watch[i].addr, addr);
	assert_int_equal(r->target.debug.watch[i].len, len);
	assert_int_equal(r->target.debug.watch[i].kind, kind);
}

static void watches(void **state)
{
	struct rig *r = *state;

	attaches(r);
	/* What is not aligned takes several. */
	assert_int_equal(insert(r, GDB_WATCH_WRITE, 0x1003, 7), 0);
	assert_int_equal(r->target.debug.nr_watches, 3);
	watch_is(r, 0, 0x1003, 1, CPU_WATCH_WRITE);
	watch_is(r, 1, 0x1004, 4, CPU_WATCH_WRITE);
	watch_is(r, 2, 0x1008, 2, CPU_WATCH_WRITE);
	assert_int_equal(insert(r, GDB_WATCH_ACCESS, 0x2000, 16), -ENOSPC);
	assert_int_equal(insert(r, GDB_WATCH_ACCESS, 0x2000, UINT64_MAX),
			 -ENOSPC);
	assert_int_equal(r->target.debug.nr_watches, 3);
	assert_int_equal(insert(r, GDB_WATCH_ACCESS, 0x2000, 8), 0);
	watch_is(r, 3, 0x2000, 8, CPU_WATCH_ACCESS);
	removes(r, GDB_WATCH_WRITE, 0x1003);
	assert_int_equal(r->target.debug.nr_watches, 1);
	watch_is(r, 0, 0x2000, 8, CPU_WATCH_ACCESS);
	assert_int_equal(insert(r, GDB_POINT_HARDWARE, 0x3001, 4), 0);
	watch_is(r, 1, 0x3001, 1, CPU_WATCH_EXEC);
	assert_int_equal(insert(r, GDB_WATCH_WRITE, UINT64_MAX, 1), 0);
	removes(r, GDB_WATCH_WRITE, UINT64_MAX);

	continues(r);
	hits(r, 2, CPU_HIT_WATCH, 0);
	stops(r);
	assert_int_equal(r->stop.cpu, 2);
	assert_int_equal(r->stop.signal, GDB_SIGTRAP);
	assert_true(r->stop.at_point);
	assert_int_equal(r->stop.point, GDB_WATCH_ACCESS);
	assert_int_equal(r->stop.addr, 0x2000);
}

static void runs_and_stops(void **state)
{
	struct rig *r = *state;

	attaches(r);
	/* Without breakpoints the processor is left alone. */
	continues(r);
	assert_null(r->accel_vcpus[0].debug);
	gdb_vm_ops.interrupt(&r->target);
	assert_int_equal(r->stops, 2);
	assert_int_equal(r->stop.signal, GDB_SIGINT);
	assert_false(r->stop.at_point);

	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1000, 1), 0);
	assert_int_equal(resume(r, GDB_CONTINUE, GDB_STEP, GDB_STAY), 0);
	assert_ptr_equal(r->accel_vcpus[0].debug, &r->target.debug);
	assert_false(r->accel_vcpus[0].step);
	assert_true(r->accel_vcpus[1].step);
	assert_true(r->vcpus[2].hold && !r->vcpus[0].hold && !r->vcpus[1].hold);
	/* Of two at once, the step is told. */
	hits(r, 0, CPU_HIT_INT3, 0);
	hits(r, 1, CPU_HIT_STEP, 0);
	stops(r);
	assert_int_equal(r->stop.cpu, 1);
	assert_false(r->stop.at_point);
	/* Whoever lets it run now lets all run. */
	assert_false(r->accel_vcpus[1].step || r->vcpus[2].hold);
	vm_resume(&r->vm);
	assert_false(vcpus_hit(&r->vm));
	hits(r, 0, CPU_HIT_INT3, 0);
	stops(r);
	assert_int_equal(r->stop.cpu, 0);
	assert_true(r->stop.at_point);
	assert_int_equal(r->stop.point, GDB_POINT_SOFTWARE);

	/* A KVM that cannot: nothing runs. */
	r->accel_vcpus[1].debug_error = -EINVAL;
	assert_int_equal(resume(r, GDB_STEP, GDB_STEP, GDB_STEP), -EINVAL);
	assert_int_equal(r->vm.state, VM_PAUSED);
}

static void detaches(void **state)
{
	struct rig *r = *state;

	/* While it runs, with all that there can be. */
	attaches(r);
	assert_int_equal(insert(r, GDB_POINT_SOFTWARE, 0x1000, 1), 0);
	assert_int_equal(insert(r, GDB_WATCH_WRITE, 0x2000, 4), 0);
	assert_int_equal(resume(r, GDB_STEP, GDB_STAY, GDB_STAY), 0);
	gdb_vm_ops.detach(&r->target);
	assert_int_equal(r->vm.state, VM_RUNNING);
	assert_int_equal(byte_at(r, 0x1000), 0);
	assert_null(r->accel_vcpus[0].debug);
	assert_false(r->accel_vcpus[0].step || r->vcpus[1].hold);

	/* What others had paused stays paused. */
	vm_pause(&r->vm);
	attaches(r);
	gdb_vm_ops.detach(&r->target);
	assert_int_equal(r->vm.state, VM_PAUSED);
	vm_resume(&r->vm);
	attaches(r);
	gdb_vm_ops.detach(&r->target);
	assert_int_equal(r->vm.state, VM_RUNNING);
}

static void crashed(void **state)
{
	struct rig *r = *state;

	r->vm.crashed = true;
	r->vm.crash_vcpu = 2;
	vm_pause(&r->vm);
	assert_int_equal(r->stop.cpu, 2);
	assert_int_equal(r->stop.signal, GDB_SIGSEGV);
	assert_int_equal(resume(r, GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE),
			 -EBUSY);
	gdb_vm_ops.detach(&r->target);
	assert_int_equal(r->vm.state, VM_PAUSED);
}

static void reset(void **state)
{
	struct rig *r = *state;
	uint64_t addr;

	attaches(r);
	assert_int_equal(insert(r, GDB_WATCH_WRITE, 0x5000, 4), 0);
	for (addr = 0x1000; addr < 0x1004; addr++)
		assert_int_equal(insert(r, GDB_POINT_SOFTWARE, addr, 1), 0);
	continues(r);
	/* The memory was written anew: it is none of the debugger's. */
	mem_write(&r->vm.mem, 0x1000, "\xcc\x01\x02\x03", 4);
	gdb_target_reset(&r->target);
	assert_int_equal(byte_at(r, 0x1000), 0xcc);
	assert_int_equal(r->target.debug.nr_int3, 0);
	assert_int_equal(r->target.debug.nr_watches, 4);
	assert_ptr_equal(r->accel_vcpus[2].debug, &r->target.debug);
	/* Told as what they were. */
	hits(r, 0, CPU_HIT_WATCH, 2);
	stops(r);
	assert_int_equal(r->stop.point, GDB_POINT_SOFTWARE);
	/* And taken away as that. */
	for (addr = 0x1000; addr < 0x1004; addr++)
		removes(r, GDB_POINT_SOFTWARE, addr);
	assert_int_equal(r->target.debug.nr_watches, 1);
	assert_int_equal(byte_at(r, 0x1000), 0xcc);
}

#define target_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		target_test(software),	     target_test(aliases),
		target_test(without_memory), target_test(many),
		target_test(poor_hosts),     target_test(many),
		target_test(watches),	     target_test(runs_and_stops),
		target_test(detaches),	     target_test(crashed),
		target_test(reset),
	};

	return cmocka_run_group_tests_name("gdb target", tests, NULL, NULL);
}
