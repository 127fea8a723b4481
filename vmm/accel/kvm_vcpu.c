// SPDX-License-Identifier: GPL-2.0-or-later
/* A vCPU of KVM: its thread's loop, from one KVM_RUN to the next. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "../error.h"
#include "kvm.h"

/* Makes KVM_RUN return; the handler does nothing, arriving is enough. */
#define KICK_SIGNAL SIGRTMIN

int kvm_vcpu_create(struct accel *accel, unsigned int id, unsigned int nr_vcpus,
		    const struct fastpath *fast, struct accel_vcpu **out,
		    struct error *err)
{
	struct kvm *kvm = to_kvm(accel);
	struct accel_vcpu *vcpu;
	int rc;

	vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu)
		return error_sys(err, ENOMEM, "cannot make vCPU %u", id);
	vcpu->kvm = kvm;
	vcpu->id = id;
	vcpu->fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0) {
		rc = error_sys(err, errno, "cannot make vCPU %u", id);
		goto err_free;
	}
	vcpu->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		rc = error_sys(err, errno, "cannot map vCPU %u", id);
		goto err_close;
	}
	rc = kvm_set_cpuid(vcpu, nr_vcpus, err);
	if (rc)
		goto err_unmap;
	rc = fast_vcpu_init(&vcpu->fast, fast, vcpu->fd, id, vcpu->run);
	if (rc) {
		error_sys(err, -rc, "cannot make vCPU %u", id);
		goto err_unmap;
	}
	vcpu->run_fd = vcpu->fast.runs ? vcpu->fast.fd : vcpu->fd;
	vcpu->run_cmd = vcpu->fast.runs ? VIREO_VCPU_RUN : KVM_RUN;
	if (kvm->ring_page && !kvm->ring)
		kvm->ring =
			(void *)((char *)vcpu->run + kvm->ring_page * 4096UL);
	*out = vcpu;
	return 0;

err_unmap:
	munmap(vcpu->run, kvm->run_size);
err_close:
	close(vcpu->fd);
err_free:
	free(vcpu);
	return rc;
}

void kvm_vcpu_destroy(struct accel_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;

	/* The ring is in the first vCPU's mapping, which goes last. */
	if (kvm->ring == (void *)((char *)vcpu->run + kvm->ring_page * 4096UL))
		kvm->ring = NULL;
	fast_vcpu_destroy(&vcpu->fast);
	free(vcpu->power_on);
	kvm_saved_free(vcpu->saved);
	munmap(vcpu->run, kvm->run_size);
	close(vcpu->fd);
	free(vcpu);
}

static void on_kick(int sig)
{
	(void)sig;
}

void kvm_vcpu_attach(struct accel_vcpu *vcpu)
{
	struct sigaction sa = { .sa_handler = on_kick };
	sigset_t set;

	sigaction(KICK_SIGNAL, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	vcpu->thread = pthread_self();
	__atomic_store_n(&vcpu->attached, true, __ATOMIC_RELEASE);
}

void kvm_vcpu_kick(struct accel_vcpu *vcpu)
{
	/*
	 * The flag catches a vCPU that is not in the guest yet, the signal
	 * one that is.
	 */
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vcpu->attached, __ATOMIC_ACQUIRE) &&
	    !pthread_equal(vcpu->thread, pthread_self()))
		pthread_kill(vcpu->thread, KICK_SIGNAL);
}

void kvm_vcpu_unkick(struct accel_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

static inline void serve_port(struct accel_vcpu *vcpu, uint8_t *data)
{
	const struct kvm_run *run = vcpu->run;
	unsigned int size = run->io.size;
	uint64_t val;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		val = bus_read(vcpu->kvm->pio, &vcpu->pio_hint, run->io.port,
			       size);
		bus_store(data, size, val);
	} else {
		val = bus_load(data, size);
		bus_write(vcpu->kvm->pio, &vcpu->pio_hint, run->io.port, size,
			  val);
	}
}

/* KVM keeps size * count within the page. */
static __attribute__((noinline)) void serve_string(struct accel_vcpu *vcpu,
						   uint8_t *data)
{
	uint32_t n;

	for (n = vcpu->run->io.count; n; n--, data += vcpu->run->io.size)
		serve_port(vcpu, data);
}

/* By itself, as a loop costs each port access a tenth of all that is here. */
static void serve_io(struct accel_vcpu *vcpu)
{
	uint8_t *data = (uint8_t *)vcpu->run + vcpu->run->io.data_offset;

	if (vcpu->run->io.count == 1)
		serve_port(vcpu, data);
	else
		serve_string(vcpu, data);
}

/* KVM may hand over odd widths (page crossing): serve them in whole parts. */
static void serve_mmio(struct accel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t addr = run->mmio.phys_addr;
	uint8_t *data = run->mmio.data;
	unsigned int left = run->mmio.len, size;
	uint64_t val;

	for (; left; left -= size, addr += size, data += size) {
		for (size = 8; size > left; size /= 2)
			;
		if (!run->mmio.is_write) {
			val = bus_read(vcpu->kvm->mmio, &vcpu->mmio_hint, addr,
				       size);
			bus_store(data, size, val);
		} else {
			val = bus_load(data, size);
			bus_write(vcpu->kvm->mmio, &vcpu->mmio_hint, addr, size,
				  val);
		}
	}
}

static enum accel_exit failed(struct accel_vcpu *vcpu, struct error *err)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		error_set(err, EIO,
			  "vCPU %u: the processor refuses to enter the guest "
			  "(reason %#llx) at rip %#llx",
			  vcpu->id,
			  (unsigned long long)
				  run->fail_entry.hardware_entry_failure_reason,
			  (unsigned long long)regs.rip);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		error_set(err, EIO,
			  "vCPU %u: KVM internal error %u%s at rip %#llx",
			  vcpu->id, run->internal.suberror,
			  run->internal.suberror ==
					  KVM_INTERNAL_ERROR_EMULATION ?
				  " (cannot emulate the instruction)" :
				  "",
			  (unsigned long long)regs.rip);
		break;
	default:
		error_set(err, EIO, "vCPU %u: KVM exit %u at rip %#llx",
			  vcpu->id, run->exit_reason,
			  (unsigned long long)regs.rip);
	}
	return ACCEL_EXIT_FAILED;
}

/*
 * Both are a part of every exit.  Only this thread writes the page, and who
 * reads it takes each number as it is.
 */
static void count_exit(struct vireo_vcpu_page *page, uint32_t reason)
{
	if (reason >= VIREO_NR_EXITS)
		reason = VIREO_NR_EXITS - 1;
	page->exits[reason]++;
}

static void count_time(struct vireo_vcpu_page *page, uint64_t cycles)
{
	/* The highest bit, counted from 1; 0 of none. */
	unsigned int bucket = 63U ^
			      (unsigned int)__builtin_clzll(cycles << 1 | 1);

	if (bucket >= VIREO_NR_BUCKETS)
		bucket = VIREO_NR_BUCKETS - 1;
	page->user_time[bucket]++;
}

/* As ioctl() does it, without what that does for its variable arguments. */
static inline long run_ioctl(const struct accel_vcpu *vcpu)
{
	return syscall(SYS_ioctl, vcpu->run_fd, vcpu->run_cmd, 0UL);
}

enum accel_exit kvm_vcpu_run(struct accel_vcpu *vcpu, struct error *err)
{
	struct vireo_vcpu_page *page = vcpu->fast.page;
	struct kvm_run *run = vcpu->run;
	uint64_t exited;

	for (;;) {
		/*
		 * Entering again is also what finishes the access of the last
		 * exit; with immediate_exit it does nothing else.
		 */
		if (run_ioctl(vcpu) < 0) {
			/*
			 * The module served many accesses; the last one is yet
			 * to be finished.
			 */
			if (errno == EAGAIN && vcpu->fast.runs)
				continue;
			if (errno != EINTR && errno != EAGAIN) {
				error_sys(err, errno, "vCPU %u: KVM_RUN",
					  vcpu->id);
				return ACCEL_EXIT_FAILED;
			}
			kvm_flush_coalesced(&vcpu->kvm->accel);
			return ACCEL_EXIT_KICKED;
		}
		exited = __rdtsc();
		count_exit(page, run->exit_reason);
		if (kvm_coalesced(vcpu->kvm))
			kvm_flush_coalesced(&vcpu->kvm->accel);

		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			serve_io(vcpu);
			break;
		case KVM_EXIT_MMIO:
			serve_mmio(vcpu);
			break;
		case KVM_EXIT_INTR:
		case KVM_EXIT_IRQ_WINDOW_OPEN:
			return ACCEL_EXIT_KICKED;
		case KVM_EXIT_HLT:
			return ACCEL_EXIT_HALTED;
		case KVM_EXIT_SHUTDOWN:
			return ACCEL_EXIT_SHUTDOWN;
		case KVM_EXIT_DEBUG:
			if (kvm_debug_exit(vcpu))
				return ACCEL_EXIT_DEBUG;
			break;
		default:
			return failed(vcpu, err);
		}
		count_time(page, __rdtsc() - exited);
	}
}
