// SPDX-License-Identifier: GPL-2.0-or-later
/* What a debugger wants of a vCPU, and what is to be said of one that died. */
#include <errno.h>
#include <sys/ioctl.h>

#include "../cpu.h"
#include "../text.h"
#include "kvm.h"

#define DB_VECTOR 1
#define BP_VECTOR 3
#define DR6_STEP (1U << 14)
#define DR7_FIXED 0x400U
#define DR7_EXACT 0x200U

static uint64_t dr7(const struct cpu_debug *debug)
{
	static const uint8_t len_code[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	uint64_t val = DR7_FIXED | DR7_EXACT;
	unsigned int i, code;

	for (i = 0; i < debug->nr_watches; i++) {
		code = debug->watch[i].kind | len_code[debug->watch[i].len]
						      << 2;
		val |= 2U << i * 2 | (uint64_t)code << (16 + i * 4);
	}
	return val;
}

static struct kvm_guest_debug guest_debug(const struct accel_vcpu *vcpu)
{
	const struct cpu_debug *debug = vcpu->debug;
	struct kvm_guest_debug g = { 0 };
	unsigned int i;
	int can;

	if (!debug)
		return g;
	g.control = KVM_GUESTDBG_ENABLE;
	if (debug->nr_int3)
		g.control |= KVM_GUESTDBG_USE_SW_BP;
	if (debug->nr_watches) {
		g.control |= KVM_GUESTDBG_USE_HW_BP;
		g.arch.debugreg[7] = dr7(debug);
		for (i = 0; i < debug->nr_watches; i++)
			g.arch.debugreg[i] = debug->watch[i].addr;
	}
	if (vcpu->step) {
		/* Else the step would often be into a timer's interrupt. */
		can = ioctl(vcpu->kvm->vm_fd, KVM_CHECK_EXTENSION,
			    KVM_CAP_SET_GUEST_DEBUG2);
		g.control |= KVM_GUESTDBG_SINGLESTEP;
		if (can > 0)
			g.control |= (unsigned int)can & KVM_GUESTDBG_BLOCKIRQ;
	}
	return g;
}

int kvm_set_debug(struct accel_vcpu *vcpu, const struct cpu_debug *debug,
		  bool step)
{
	struct kvm_guest_debug g;

	vcpu->debug = debug;
	vcpu->step = step;
	g = guest_debug(vcpu);
	return ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &g) ? -errno : 0;
}

/* The guest has debug exceptions of its own, as when Linux patches itself. */
static void give_to_guest(struct accel_vcpu *vcpu)
{
	struct kvm_guest_debug g = guest_debug(vcpu);
	struct kvm_debugregs regs;

	if (vcpu->run->debug.arch.exception == BP_VECTOR) {
		g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP;
	} else {
		g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB;
		if (!ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs)) {
			regs.dr6 = vcpu->run->debug.arch.dr6;
			ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &regs);
		}
	}
	/* EBUSY: another exception is on its way, which comes first. */
	ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &g);
}

static struct cpu_hit find_hit(const struct accel_vcpu *vcpu)
{
	const struct kvm_debug_exit_arch *exit = &vcpu->run->debug.arch;
	const struct cpu_debug *debug = vcpu->debug;
	unsigned int i;

	if (!debug)
		return (struct cpu_hit){ .kind = CPU_HIT_NONE };
	if (exit->exception == BP_VECTOR) {
		for (i = 0; i < debug->nr_int3; i++)
			if (debug->int3[i] == exit->pc)
				return (struct cpu_hit){ CPU_HIT_INT3, 0 };
		return (struct cpu_hit){ .kind = CPU_HIT_NONE };
	}
	for (i = 0; i < debug->nr_watches; i++)
		if (exit->dr6 & 1U << i)
			return (struct cpu_hit){ CPU_HIT_WATCH, i };
	if (vcpu->step && exit->dr6 & DR6_STEP)
		return (struct cpu_hit){ CPU_HIT_STEP, 0 };
	return (struct cpu_hit){ .kind = CPU_HIT_NONE };
}

bool kvm_debug_exit(struct accel_vcpu *vcpu)
{
	vcpu->hit = find_hit(vcpu);
	if (vcpu->hit.kind != CPU_HIT_NONE)
		return true;
	give_to_guest(vcpu);
	return false;
}

struct cpu_hit kvm_hit(struct accel_vcpu *vcpu)
{
	return vcpu->hit;
}

void kvm_was_paused(struct accel_vcpu *vcpu)
{
	/* Its watchdogs then do not bark; a guest without kvmclock has none. */
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

/* ---- what is known of a failure ---- */

static void describe_internal(const struct kvm_run *run, struct text *t)
{
	static const char *const names[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "emulation failure",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] =
			"exit while delivering an event",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
			"unexpected exit reason",
	};
	unsigned int n = run->internal.ndata, sub = run->internal.suberror, i;

	text_add(t, "KVM internal error %u (%s), %u words of data\n", sub,
		 sub < sizeof(names) / sizeof(names[0]) && names[sub] ?
			 names[sub] :
			 "unknown",
		 n);
	if (n > sizeof(run->internal.data) / sizeof(run->internal.data[0]))
		n = sizeof(run->internal.data) / sizeof(run->internal.data[0]);
	for (i = 0; i < n; i++)
		text_add(t, "%s%016llx%s", i % 4 ? " " : "data ",
			 (unsigned long long)run->internal.data[i],
			 i % 4 == 3 || i + 1 == n ? "\n" : "");
	if (sub != KVM_INTERNAL_ERROR_EMULATION || n < 3 ||
	    !(run->emulation_failure.flags &
	      KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return;
	text_add(t, "instruction");
	for (i = 0; i < run->emulation_failure.insn_size &&
		    i < sizeof(run->emulation_failure.insn_bytes);
	     i++)
		text_add(t, " %02x", run->emulation_failure.insn_bytes[i]);
	text_add(t, "\n");
}

void kvm_describe_exit(struct accel_vcpu *vcpu, char *buf, size_t size)
{
	const struct kvm_run *run = vcpu->run;
	struct text t;

	text_init(&t, buf, size);
	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		describe_internal(run, &t);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		text_add(&t, "hardware entry failure %#llx on processor %u\n",
			 (unsigned long long)
				 run->fail_entry.hardware_entry_failure_reason,
			 run->fail_entry.cpu);
		break;
	default:
		break;
	}
}
