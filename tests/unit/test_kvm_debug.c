// SPDX-License-Identifier: GPL-2.0-or-later
/* What KVM's exits mean, for those that no KVM makes on demand. */
#include "cmocka_unit.h"

#include <string.h>

#include "accel/kvm.h"
#include "cpu.h"

#define DB 1
#define BP 3
#define STEP 0x4000

struct rig {
	struct kvm kvm;
	struct kvm_run run;
	struct accel_vcpu vcpu;
	struct cpu_debug debug;
};

static int setup(void **state)
{
	static struct rig r;

	memset(&r, 0, sizeof(r));
	r.vcpu.kvm = &r.kvm;
	r.vcpu.run = &r.run;
	r.vcpu.fd = r.kvm.vm_fd = -1;
	r.vcpu.debug = &r.debug;
	r.run.exit_reason = KVM_EXIT_DEBUG;
	*state = &r;
	return 0;
}

/* The kind of hit that such an exit is; CPU_HIT_NONE: the guest's own. */
static int hit(struct rig *r, uint32_t exception, uint64_t pc, uint64_t dr6)
{
	bool ours;

	r->run.debug.arch.exception = exception;
	r->run.debug.arch.pc = pc;
	r->run.debug.arch.dr6 = dr6;
	ours = kvm_debug_exit(&r->vcpu);
	assert_int_equal(ours, kvm_hit(&r->vcpu).kind != CPU_HIT_NONE);
	return kvm_hit(&r->vcpu).kind;
}

static void debug_exits(void **state)
{
	struct rig *r = *state;

	/* Linux patches itself with INT3s. */
	r->debug.int3[0] = 0x1000;
	r->debug.int3[1] = 0x2000;
	r->debug.nr_int3 = 2;
	assert_int_equal(hit(r, BP, 0x1000, 0), CPU_HIT_INT3);
	assert_int_equal(hit(r, BP, 0x2000, 0), CPU_HIT_INT3);
	assert_int_equal(hit(r, BP, 0x1001, 0), CPU_HIT_NONE);
	r->debug.nr_int3 = 1;
	assert_int_equal(hit(r, BP, 0x2000, 0), CPU_HIT_NONE);

	r->debug.nr_watches = 2;
	assert_int_equal(hit(r, DB, 0x1000, 1), CPU_HIT_WATCH);
	assert_int_equal(kvm_hit(&r->vcpu).watch, 0);
	assert_int_equal(hit(r, DB, 0x1000, 2), CPU_HIT_WATCH);
	assert_int_equal(kvm_hit(&r->vcpu).watch, 1);
	/* Bits of DR6 are set for registers that are off, too. */
	assert_int_equal(hit(r, DB, 0x1000, 4), CPU_HIT_NONE);

	/* A guest may step itself. */
	assert_int_equal(hit(r, DB, 0x1000, STEP), CPU_HIT_NONE);
	r->vcpu.step = true;
	assert_int_equal(hit(r, DB, 0x1000, STEP), CPU_HIT_STEP);
	assert_int_equal(hit(r, DB, 0x1000, STEP | 2), CPU_HIT_WATCH);

	r->vcpu.debug = NULL;
	assert_int_equal(hit(r, BP, 0x1000, 0), CPU_HIT_NONE);
	assert_int_equal(hit(r, DB, 0x1000, 1), CPU_HIT_NONE);
}

static void failures(void **state)
{
	struct rig *r = *state;
	char buf[2048];
	unsigned int i;

	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_string_equal(buf, "");

	r->run.exit_reason = KVM_EXIT_FAIL_ENTRY;
	r->run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	r->run.fail_entry.cpu = 3;
	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_string_equal(buf,
			    "hardware entry failure 0x80000021 on processor 3\n");

	r->run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&r->run.internal, 0, sizeof(r->run.internal));
	r->run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	r->run.internal.ndata = 5;
	for (i = 0; i < 16; i++)
		r->run.internal.data[i] = 0xa0 + i;
	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_string_equal(
		buf, "KVM internal error 3 (exit while delivering an event), "
		     "5 words of data\n"
		     "data 00000000000000a0 00000000000000a1 00000000000000a2 "
		     "00000000000000a3\n"
		     "data 00000000000000a4\n");
	/* However many it claims. */
	r->run.internal.suberror = 77;
	r->run.internal.ndata = UINT32_MAX;
	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_non_null(strstr(buf, "error 77 (unknown)"));
	assert_non_null(strstr(buf, "00000000000000af\n"));
	assert_null(strstr(buf, "instruction"));

	r->run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	r->run.emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	r->run.emulation_failure.insn_size = 255;
	memcpy(r->run.emulation_failure.insn_bytes,
	       "\x0f\x0b\xcc\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c",
	       15);
	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_non_null(strstr(buf, "\ninstruction 0f 0b cc 01 02 03 04 05 06 "
				    "07 08 09 0a 0b 0c\n"));
	r->run.emulation_failure.insn_size = 2;
	kvm_describe_exit(&r->vcpu, buf, sizeof(buf));
	assert_non_null(strstr(buf, "\ninstruction 0f 0b\n"));
	/* A small room is not overrun. */
	memset(buf, 'x', sizeof(buf));
	kvm_describe_exit(&r->vcpu, buf, 20);
	assert_int_equal(strlen(buf), 19);
	assert_int_equal(buf[20], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(debug_exits, setup),
		cmocka_unit_test_setup(failures, setup),
	};

	return cmocka_run_group_tests_name("kvm debug", tests, NULL, NULL);
}
