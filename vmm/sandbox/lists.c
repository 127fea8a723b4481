// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who adds a call here says what for, and makes tests/sandbox need it, which
 * finds every entry that nothing needs.
 *
 * What can be said of arguments is said: requests of ioctl, no executable
 * memory, signals only to this process.  Pointers cannot be looked at.
 */
#include "lists.h"

#include <asm/unistd.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <linux/vireo.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define CALL(call)                               \
	{                                        \
		.name = #call, .nr = __NR_##call \
	}
#define CALL_IF(call, number, bits, is)                                        \
	{                                                                      \
		.name = #call, .nr = __NR_##call, .arg = number, .mask = bits, \
		.value = is,                                                   \
	}
#define ALL_BITS 0xffffffffU
#define IOCTL(request)                                                 \
	{                                                              \
		.name = "ioctl " #request, .nr = __NR_ioctl, .arg = 1, \
		.mask = ALL_BITS, .value = (uint32_t)(request)         \
	}
#define FCNTL(command)                                                 \
	{                                                              \
		.name = "fcntl " #command, .nr = __NR_fcntl, .arg = 1, \
		.mask = ALL_BITS, .value = command                     \
	}

/* Queues that the kernel serves, by whichever thread hands them over. */
#define VHOST_QUEUES                                                      \
	IOCTL(VHOST_SET_OWNER), IOCTL(VHOST_SET_FEATURES),                \
		IOCTL(VHOST_SET_MEM_TABLE), IOCTL(VHOST_SET_VRING_NUM),   \
		IOCTL(VHOST_SET_VRING_BASE), IOCTL(VHOST_SET_VRING_ADDR), \
		IOCTL(VHOST_SET_VRING_CALL), IOCTL(VHOST_SET_VRING_KICK), \
		IOCTL(VHOST_GET_VRING_BASE), IOCTL(VHOST_NET_SET_BACKEND)

/*
 * A device's registers, and what they move: interrupts, doorbells, mappings.
 * The first is by far the most frequent call, and so the first in the filter.
 */
static const struct sandbox_call vcpu_calls[] = {
	IOCTL(KVM_RUN),
	IOCTL(VIREO_VCPU_RUN),

	/* Interrupts. */
	IOCTL(KVM_IRQ_LINE),
	IOCTL(KVM_SIGNAL_MSI),
	/* A message's eventfd, what is pending in it, and where it leads. */
	CALL(eventfd2),
	CALL(poll),
	CALL(read),
	IOCTL(KVM_IRQFD),
	IOCTL(KVM_SET_GSI_ROUTING),
	/* Windows of registers that come, go and move, doorbells in them. */
	IOCTL(KVM_IOEVENTFD),
	IOCTL(KVM_SET_USER_MEMORY_REGION),
	IOCTL(KVM_REGISTER_COALESCED_MMIO),
	IOCTL(KVM_UNREGISTER_COALESCED_MMIO),
	IOCTL(VIREO_IO_ADD),
	IOCTL(VIREO_IO_DEL),
	IOCTL(VIREO_IO_ENABLE),
	CALL_IF(mmap, 2, PROT_EXEC, 0),
	CALL(munmap),

	/* Exceptions of the guest's own while a debugger is there. */
	IOCTL(KVM_CHECK_EXTENSION),
	IOCTL(KVM_GET_DEBUGREGS),
	IOCTL(KVM_SET_DEBUGREGS),
	IOCTL(KVM_SET_GUEST_DEBUG),
	/* Where it stood when KVM failed. */
	IOCTL(KVM_GET_REGS),

	/* Locks, and waking the main loop, which also prints what we log. */
	CALL(futex),
	CALL(write),
	/* The clock, where the vDSO cannot read it. */
	CALL(clock_gettime),
	/* A kick from another vCPU or the main thread, or to one. */
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(getpid),
	CALL_IF(tgkill, 0, ALL_BITS, SANDBOX_OWN_PID),
	/* The end of the thread; of the process, after what is refused. */
	CALL_IF(madvise, 2, ALL_BITS, MADV_DONTNEED),
	CALL(exit),
	CALL(exit_group),
	/* A crash of our own: the terminal, then the signal again. */
	IOCTL(TCSETS),
	IOCTL(TCGETS),
	CALL(gettid),
	{ 0 }
};

static const struct sandbox_call main_calls[] = {
	/* The loop, and descriptors that it watches. */
	CALL(epoll_pwait2),
	CALL(epoll_ctl),
	CALL(poll),
	CALL(eventfd2),
	CALL(close),
	CALL(clock_gettime),
	CALL(restart_syscall),
	/* Disks, consoles, files of random bytes and of statistics, the log. */
	CALL(read),
	CALL(write),
	CALL(pread64),
	CALL(pwrite64),
	CALL(fdatasync),
	CALL(getrandom),
	CALL(newfstatat),
	CALL(fstat), /* which the one before is, by some C libraries */
	IOCTL(TCGETS),
	IOCTL(TCSETS),
	/* Those who connect: to control it, to its consoles, a debugger. */
	CALL(accept4),
	CALL(recvmsg),
	CALL(recvfrom),
	CALL(sendto),
	CALL_IF(getsockopt, 1, ALL_BITS, SOL_SOCKET),
	CALL_IF(setsockopt, 1, ALL_BITS, IPPROTO_TCP),
	FCNTL(F_DUPFD_CLOEXEC),
	/* Once it is detached, its standard error is the log. */
	CALL(dup2),
	/* Network cards without a thread of their own, as in that one's list. */
	CALL(writev),
	IOCTL(TUNSETOFFLOAD),
	IOCTL(TUNSETQUEUE),
	/* Those that are plugged in. */
	IOCTL(TUNGETIFF),
	IOCTL(TUNSETVNETHDRSZ),
	FCNTL(F_SETFD),
	/* Queues that the kernel serves, or a vhost-user backend. */
	VHOST_QUEUES,
	IOCTL(VHOST_VSOCK_SET_RUNNING),
	CALL(sendmsg),
	CALL(shutdown),
	CALL_IF(setsockopt, 1, ALL_BITS, SOL_SOCKET),
	/* SCSI disks, images that come by QMP or get another size. */
	CALL(io_submit),
	CALL(io_uring_enter),
	CALL(ftruncate),
	FCNTL(F_GETFL),
	FCNTL(F_SETFL),
	FCNTL(F_OFD_SETLK),
	IOCTL(BLKGETSIZE64),
	IOCTL(BLKSSZGET),
	/* The end: engines of disks, the names of sockets. */
	CALL(io_destroy),
	CALL(flock),
	CALL(unlinkat),
	CALL(clock_nanosleep),

	/* The kernel into memory, and once more with each reset. */
	CALL(lseek),
	CALL(sendfile),
	CALL_IF(madvise, 2, ALL_BITS, MADV_COLLAPSE),
	CALL_IF(madvise, 2, ALL_BITS, MADV_HUGEPAGE),
	/* The state of a vCPU: power-on, a debugger's, a crash's. */
	IOCTL(KVM_CHECK_EXTENSION),
	IOCTL(KVM_GET_MSR_INDEX_LIST),
	IOCTL(KVM_GET_MSRS),
	IOCTL(KVM_SET_MSRS),
	IOCTL(KVM_GET_REGS),
	IOCTL(KVM_SET_REGS),
	IOCTL(KVM_GET_SREGS),
	IOCTL(KVM_SET_SREGS),
	IOCTL(KVM_GET_LAPIC),
	IOCTL(KVM_SET_LAPIC),
	IOCTL(KVM_GET_MP_STATE),
	IOCTL(KVM_SET_MP_STATE),
	IOCTL(KVM_GET_XSAVE),
	IOCTL(KVM_GET_XSAVE2),
	IOCTL(KVM_SET_XSAVE),
	IOCTL(KVM_GET_XCRS),
	IOCTL(KVM_SET_XCRS),
	IOCTL(KVM_GET_VCPU_EVENTS),
	IOCTL(KVM_SET_VCPU_EVENTS),
	IOCTL(KVM_GET_DEBUGREGS),
	IOCTL(KVM_SET_DEBUGREGS),
	IOCTL(KVM_GET_CPUID2),
	IOCTL(KVM_GET_TSC_KHZ),
	IOCTL(KVM_SET_GUEST_DEBUG),
	IOCTL(KVM_KVMCLOCK_CTRL),
	IOCTL(KVM_GET_NESTED_STATE),
	IOCTL(KVM_SET_NESTED_STATE),
	/* The machine's. */
	IOCTL(KVM_GET_IRQCHIP),
	IOCTL(KVM_SET_IRQCHIP),
	IOCTL(KVM_GET_PIT2),
	IOCTL(KVM_SET_PIT2),
	IOCTL(KVM_GET_CLOCK),
	IOCTL(KVM_SET_CLOCK),
	IOCTL(KVM_GET_STATS_FD),
	IOCTL(VIREO_STATS),
	/* As for a vCPU: devices. */
	IOCTL(KVM_IRQ_LINE),
	IOCTL(KVM_SIGNAL_MSI),
	IOCTL(KVM_IRQFD),
	IOCTL(KVM_SET_GSI_ROUTING), /* of a machine that is restored */
	IOCTL(KVM_IOEVENTFD),
	IOCTL(KVM_SET_USER_MEMORY_REGION),
	IOCTL(KVM_REGISTER_COALESCED_MMIO),
	IOCTL(KVM_UNREGISTER_COALESCED_MMIO),
	IOCTL(VIREO_IO_ADD),
	IOCTL(VIREO_IO_DEL),
	IOCTL(VIREO_IO_ENABLE),
	IOCTL(VIREO_DISK_SET),
	IOCTL(VIREO_QUEUE_ADD),
	IOCTL(VIREO_QUEUE_DEL),
	IOCTL(VIREO_QUEUE_STATE),
	/* Live snapshots of memory. */
	IOCTL(VIREO_MEM_SNAPSHOT),
	IOCTL(VIREO_SNAPSHOT_STAT),

	/* Memory of our own, none of it executable. */
	CALL(brk),
	CALL_IF(mmap, 2, PROT_EXEC, 0),
	CALL(mremap),
	CALL(munmap),
	/* Locks, kicks, and the end. */
	CALL(futex),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(getpid),
	CALL(gettid),
	CALL_IF(tgkill, 0, ALL_BITS, SANDBOX_OWN_PID),
	CALL(exit_group),
	{ 0 }
};

/* Disks: the loop, the engines, and what the pool's threads do for them. */
static const struct sandbox_call io_calls[] = {
	CALL(io_submit),
	CALL(io_uring_enter),
	CALL(epoll_pwait2),
	CALL(poll),
	CALL(preadv),
	CALL(pwritev2),
	CALL(fdatasync),
	CALL(fallocate),
	IOCTL(BLKDISCARD),
	/* The tables of an image. */
	CALL(pread64),
	CALL(pwrite64),
	CALL(ftruncate),
	CALL(newfstatat),
	/* Doorbells, interrupts, and other threads' loops. */
	CALL(eventfd2),
	CALL(epoll_ctl),
	CALL(close), /* a SCSI disk's image, too */
	CALL(read),
	CALL(write),
	IOCTL(KVM_IRQ_LINE),
	IOCTL(KVM_SIGNAL_MSI),
	IOCTL(KVM_IOEVENTFD),
	/* Queues that the module serves. */
	IOCTL(VIREO_QUEUE_ADD),
	IOCTL(VIREO_QUEUE_DEL),
	IOCTL(VIREO_QUEUE_STATE),
	CALL(futex),
	/* Memory of our own, none of it executable. */
	CALL(brk),
	CALL_IF(mmap, 2, PROT_EXEC, 0),
	CALL(munmap),
	CALL_IF(madvise, 2, ALL_BITS, MADV_DONTNEED),
	/* The clock, where the vDSO cannot read it. */
	CALL(clock_gettime),
	/* The end of the thread; of the process, after what is refused. */
	CALL(rt_sigprocmask),
	CALL(getpid),
	CALL(gettid),
	CALL_IF(tgkill, 0, ALL_BITS, SANDBOX_OWN_PID),
	IOCTL(TCGETS),
	IOCTL(TCSETS),
	CALL(exit),
	CALL(exit_group),
	{ 0 }
};

/* Network cards: the loop, and what backends do with their descriptors. */
static const struct sandbox_call net_calls[] = {
	CALL(writev),
	CALL(epoll_pwait2),
	CALL(epoll_ctl),
	/* Doorbells, interrupts, other threads' loops; streams. */
	CALL(read),
	CALL(write),
	CALL(futex),
	CALL(eventfd2),
	IOCTL(KVM_IRQ_LINE),
	IOCTL(KVM_SIGNAL_MSI),
	IOCTL(KVM_IOEVENTFD),
	/* A TAP interface's offloads and queues, as the driver wants them. */
	IOCTL(TUNSETOFFLOAD),
	IOCTL(TUNSETQUEUE),
	/* Queues that the kernel serves, or a vhost-user backend. */
	VHOST_QUEUES,
	CALL(sendmsg),
	CALL(recvmsg),
	CALL(shutdown),
	/* The next machine at a link. */
	CALL(accept4),
	CALL(close),
	/* The clock, where the vDSO cannot read it. */
	CALL(clock_gettime),
	/* The end of the thread; of the process, after what is refused. */
	CALL(rt_sigprocmask),
	CALL(getpid),
	CALL(gettid),
	CALL_IF(tgkill, 0, ALL_BITS, SANDBOX_OWN_PID),
	CALL_IF(madvise, 2, ALL_BITS, MADV_DONTNEED),
	IOCTL(TCGETS),
	IOCTL(TCSETS),
	CALL(exit),
	CALL(exit_group),
	{ 0 }
};

const struct sandbox_call *const sandbox_lists[SANDBOX_NR_THREADS] = {
	[SANDBOX_MAIN] = main_calls,
	[SANDBOX_VCPU] = vcpu_calls,
	[SANDBOX_IO] = io_calls,
	[SANDBOX_NET] = net_calls,
};
