// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prints what of debugging this machine's KVM does, asking it directly, for
 * guest code in kernel mode, and in user mode with "user-" before:
 * int3 exec write step.  A KVM that emulates such code, or that is emulated
 * itself, may do little of it.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE 0x1000
#define EXEC (CODE + 1)
#define DATA 0x2000

/* nop; nop; movb $1, DATA; int3; 1: jmp 1b */
static const uint8_t code[] = { 0x90, 0x90, 0xc6, 0x05, 0x00, 0x20,
				0x00, 0x00, 0x01, 0xcc, 0xeb, 0xfe };

struct ability {
	const char *name;
	uint32_t control;
	uint64_t addr; /* for debug register 0 */
	uint64_t dr7;
};

static const struct ability abilities[] = {
	{ "int3", KVM_GUESTDBG_USE_SW_BP, 0, 0 },
	{ "exec", KVM_GUESTDBG_USE_HW_BP, EXEC, 0x602 },
	{ "write", KVM_GUESTDBG_USE_HW_BP, DATA, 0x602 | 1 << 16 },
	{ "step", KVM_GUESTDBG_SINGLESTEP, 0, 0 },
};

struct machine {
	int kvm;
	uint8_t *ram;
	size_t shared_size;
};

static void on_alarm(int sig)
{
	(void)sig;
}

static struct kvm_segment flat(uint8_t type, uint8_t dpl)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = (uint16_t)((type & 8 ? 0x10 : 0x18) | dpl),
		.type = type,
		.present = 1,
		.dpl = dpl,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

/* Flat protected mode without paging. */
static int enter(int vcpu, uint8_t dpl)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = 0x800, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cr0 |= 1;
	sregs.cs = flat(0xb, dpl);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(3, dpl);
	return ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	       ioctl(vcpu, KVM_SET_REGS, &regs);
}

/* A machine of its own for each, as some do not survive. */
static int can(const struct machine *m, const struct ability *a, uint8_t dpl)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = 0x4000,
		.userspace_addr = (uintptr_t)m->ram,
	};
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | a->control,
		.arch.debugreg = { [0] = a->addr, [7] = a->dr7 },
	};
	int vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), yes;
	struct kvm_run *run;

	run = mmap(NULL, m->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   vcpu, 0);
	if (run == MAP_FAILED)
		return 0;
	alarm(2);
	yes = !ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) &&
	      !enter(vcpu, dpl) && !ioctl(vcpu, KVM_SET_GUEST_DEBUG, &debug) &&
	      !ioctl(vcpu, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_DEBUG;
	alarm(0);
	munmap(run, m->shared_size);
	close(vcpu);
	close(vm);
	return yes;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct machine m = { .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
	int size = ioctl(m.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int i, user;

	m.ram = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m.ram == MAP_FAILED || size <= 0)
		return 1;
	m.shared_size = (size_t)size;
	memcpy(m.ram + CODE, code, sizeof(code));
	sigaction(SIGALRM, &sa, NULL); /* KVM_RUN then ends with EINTR */
	for (user = 0; user < 2; user++)
		for (i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
			if (can(&m, &abilities[i], user ? 3 : 0))
				printf("%s%s\n", user ? "user-" : "",
				       abilities[i].name);
	return 0;
}
