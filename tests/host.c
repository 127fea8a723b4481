// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prints how many nanoseconds this machine's KVM takes for one instruction of
 * guest kernel code.  Real virtualization takes less than one; a KVM that
 * emulates such code takes hundreds, and no kernel boots on it in useful time.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOOPS 20000

/* Real mode at 0: mov $LOOPS, %cx; 1: dec %cx; jnz 1b; hlt */
static const uint8_t code[] = { 0xb9, LOOPS & 0xff, LOOPS >> 8, 0x49,
				0x75, 0xfd,	    0xf4 };

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Runs the loop once; true if it came to its end. */
static int run(int vcpu, const volatile struct kvm_run *run)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rflags = 2 };

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return 0;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return !ioctl(vcpu, KVM_SET_SREGS, &sregs) &&
	       !ioctl(vcpu, KVM_SET_REGS, &regs) && !ioctl(vcpu, KVM_RUN, 0) &&
	       run->exit_reason == KVM_EXIT_HLT;
}

int main(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = 4096 };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *shared;
	uint64_t start;
	void *ram;

	ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED || vcpu < 0 || size <= 0)
		return 1;
	memcpy(ram, code, sizeof(code));
	region.userspace_addr = (uintptr_t)ram;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return 1;
	/* The first time faults the page in. */
	if (!run(vcpu, shared))
		return 1;
	start = now();
	if (!run(vcpu, shared))
		return 1;
	printf("%llu\n", (unsigned long long)(now() - start) / (2 * LOOPS));
	return 0;
}
