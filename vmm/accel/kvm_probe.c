// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What of debugging the host's KVM does.  All of it takes what it is asked for;
 * but one that runs under another hypervisor, or emulates the guest's code, may
 * not stop at it.  So it is tried, on machines of their own, as some do not
 * survive.
 */
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm.h"

#define RAM_SIZE 0x4000
#define CODE 0x1000
#define EXEC (CODE + 1)
#define DATA 0x2000
#define DR7_ON 0x602U
#define DR7_WRITE (1U << 16)

/* nop; nop; movb $1, DATA; int3; hlt; and whatever is done: it ends. */
static const uint8_t code[] = { 0x90, 0x90, 0xc6, 0x05, 0x00, 0x20,
				0x00, 0x00, 0x01, 0xcc, 0xf4 };

static const struct ability {
	enum cpu_can can;
	uint32_t control;
	uint64_t addr; /* for debug register 0 */
	uint64_t dr7;
} abilities[] = {
	{ CPU_CAN_INT3, KVM_GUESTDBG_USE_SW_BP, 0, 0 },
	{ CPU_CAN_EXEC, KVM_GUESTDBG_USE_HW_BP, EXEC, DR7_ON },
	{ CPU_CAN_WATCH, KVM_GUESTDBG_USE_HW_BP, DATA, DR7_ON | DR7_WRITE },
	{ CPU_CAN_STEP, KVM_GUESTDBG_SINGLESTEP, 0, 0 },
};

static struct kvm_segment flat(uint8_t type)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = type & 8 ? 0x10 : 0x18,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

/* Protected mode, no paging, no exceptions: one that is not ours ends it. */
static bool enter(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = 0x800, .rflags = 2 };
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return false;
	s.cr0 |= 1;
	s.idt.limit = 0;
	s.cs = flat(0xb);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(3);
	return !ioctl(vcpu, KVM_SET_SREGS, &s) &&
	       !ioctl(vcpu, KVM_SET_REGS, &regs);
}

static bool stops(int vcpu, const struct kvm_run *run, const struct ability *a)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | a->control,
		.arch.debugreg = { [0] = a->addr, [7] = a->dr7 },
	};

	return enter(vcpu) && !ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug) &&
	       !ioctl(vcpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_DEBUG;
}

static bool try(const struct kvm *kvm, uint8_t *ram, const struct ability *a)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)ram,
	};
	int vm = ioctl(kvm->dev_fd, KVM_CREATE_VM, 0), vcpu;
	struct kvm_run *run = MAP_FAILED;
	bool can = false;

	if (vm < 0)
		return false;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu >= 0)
		run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, vcpu, 0);
	if (run != MAP_FAILED) {
		can = !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) &&
		      stops(vcpu, run, a);
		munmap(run, kvm->run_size);
	}
	if (vcpu >= 0)
		close(vcpu);
	close(vm);
	return can;
}

unsigned int kvm_can_debug(struct accel *accel)
{
	uint8_t *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int can = 0;
	size_t i;

	if (ram == MAP_FAILED)
		return 0;
	memcpy(ram + CODE, code, sizeof(code));
	for (i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
		if (try(to_kvm(accel), ram, &abilities[i]))
			can |= abilities[i].can;
	munmap(ram, RAM_SIZE);
	return can;
}
