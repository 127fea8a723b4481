// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: hostile main|vcpu|io|net CALL PAYLOAD SANDBOX
 *        hostile --list
 *
 * Has a thread of a machine do what one that was taken over would try.  Exit
 * status: 0 it could, 1 the system did not let it, 2 bad usage; if the sandbox
 * did not let it, that of the machine's process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "rig.h"

/* Made while everything was allowed. */
static struct {
	int kvm;
	int unbound; /* a socket */
	int terminal;
	void *page;
	pid_t parent;
	char file[32];
	char link[48]; /* of a network card */
} had;

static long do_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long do_create(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR, 0600);
}

static long do_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long do_connect(void)
{
	struct sockaddr_un sa = { AF_UNIX, "/" };

	/* Refused by who listens, or because nobody does: it was tried. */
	return connect(had.unbound, (struct sockaddr *)&sa, sizeof(sa)) &&
			       errno != ECONNREFUSED ?
		       -1 :
		       0;
}

static long do_bind(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	return bind(had.unbound, (struct sockaddr *)&sa, sizeof(short));
}

static long do_exec(void)
{
	char *argv[] = { "true", NULL };

	return execve("/bin/true", argv, NULL);
}

static long do_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 ? pid : waitpid(pid, NULL, 0);
}

static void *nothing(void *opaque)
{
	return opaque;
}

static long do_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, nothing, NULL);
	return errno ? -1 : 0;
}

static long do_ptrace(void)
{
	return ptrace(PTRACE_SEIZE, had.parent, 0, 0) && errno != EPERM ? -1 :
									  0;
}

static long do_read_memory(void)
{
	char byte;
	struct iovec iov = { &byte, 1 }, there = { had.page, 1 };

	return process_vm_readv(getpid(), &iov, 1, &there, 1, 0);
}

static long do_capset(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct data[2] = { { 1U << CAP_SYS_ADMIN,
						    1U << CAP_SYS_ADMIN, 0 } };

	return syscall(SYS_capset, &header, data);
}

static long do_setuid(void)
{
	return setuid(0);
}

static long do_mmap_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
		       -1 :
		       0;
}

static long do_mprotect_code(void)
{
	return mprotect(had.page, 4096, PROT_READ | PROT_EXEC);
}

static long do_kill(void)
{
	return kill(had.parent, 0);
}

static long do_tgkill(void)
{
	return syscall(SYS_tgkill, had.parent, had.parent, 0);
}

static long do_kvm(void)
{
	return ioctl(had.kvm, KVM_CREATE_VM, 0);
}

static long do_type(void)
{
	return ioctl(had.terminal, TIOCSTI, "x");
}

static long do_unshare(void)
{
	return unshare(CLONE_FS);
}

static long do_mount(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) &&
			       errno != EPERM ?
		       -1 :
		       0;
}

static long do_chroot(void)
{
	return chroot("/");
}

static long do_prctl(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long do_seccomp(void)
{
	uint32_t action = SECCOMP_RET_ALLOW;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

static long do_sigaction(void)
{
	struct sigaction sa;

	return sigaction(SIGSYS, NULL, &sa);
}

static long do_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit);
}

static long do_memfd(void)
{
	return memfd_create("x", 0);
}

static long do_dup_of(void)
{
	return fcntl(had.kvm, F_SETOWN, getpid());
}

static long do_unlink(void)
{
	return unlink("/nothing") && errno != ENOENT ? -1 : 0;
}

/* As the main thread does with names of its own sockets. */
static long do_remove(void)
{
	return syscall(SYS_unlinkat, AT_FDCWD, had.file, 0);
}

static long do_rename(void)
{
	return rename("/nothing", "/nowhere") && errno != ENOENT ? -1 : 0;
}

static long do_perf(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.type = PERF_TYPE_SOFTWARE };

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) < 0 &&
			       errno != EACCES && errno != EPERM ?
		       -1 :
		       0;
}

static long do_ring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL) < 0 && errno == ENOSYS ?
		       -1 :
		       0;
}

static long do_bpf(void)
{
	return syscall(SYS_bpf, 9999, NULL, 0) < 0 && errno == ENOSYS ? -1 : 0;
}

/* Of the tables for 32-bit programs, where this number is open's. */
static long do_other_abi(void)
{
	static const char name[] = "/etc/passwd";
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long ret;

	if (low == MAP_FAILED)
		return -1;
	memcpy(low, name, sizeof(name));
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"(5L), "b"(low), "c"(0L), "d"(0L)
			 : "memory");
	errno = (int)-ret;
	return ret < 0 ? -1 : 0;
}

/* Calls of the x32 ABI have a bit more in their number. */
static long do_x32(void)
{
	return syscall(0x40000000L | SYS_getuid) < 0 && errno != ENOSYS ? -1 :
									  0;
}

static const struct {
	const char *name;
	long (*fn)(void);
} calls[] = {
	{ "open", do_open },
	{ "create", do_create },
	{ "socket", do_socket },
	{ "connect", do_connect },
	{ "bind", do_bind },
	{ "exec", do_exec },
	{ "fork", do_fork },
	{ "thread", do_thread },
	{ "ptrace", do_ptrace },
	{ "read-memory", do_read_memory },
	{ "capset", do_capset },
	{ "setuid", do_setuid },
	{ "mmap-code", do_mmap_code },
	{ "mprotect-code", do_mprotect_code },
	{ "kill", do_kill },
	{ "tgkill", do_tgkill },
	{ "kvm-create", do_kvm },
	{ "tiocsti", do_type },
	{ "unshare", do_unshare },
	{ "mount", do_mount },
	{ "chroot", do_chroot },
	{ "prctl", do_prctl },
	{ "seccomp", do_seccomp },
	{ "sigaction", do_sigaction },
	{ "limits", do_limit },
	{ "memfd", do_memfd },
	{ "fcntl-setown", do_dup_of },
	{ "unlink", do_unlink },
	{ "remove", do_remove },
	{ "rename", do_rename },
	{ "perf", do_perf },
	{ "io-uring", do_ring },
	{ "bpf", do_bpf },
	{ "other-abi", do_other_abi },
	{ "x32-abi", do_x32 },
};

#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

static long (*hostile)(void);

static void try(void)
{
	_exit(hostile() < 0);
}

static void in_loop(void *opaque)
{
	(void)opaque;
	try();
}

static enum accel_exit in_vcpu(struct accel_vcpu *vcpu, struct error *err)
{
	(void)vcpu;
	(void)err;
	try();
	return ACCEL_EXIT_KICKED;
}

static void prepare(void)
{
	int fd;

	had.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	had.unbound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	had.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	had.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	had.parent = getppid();
	strcpy(had.file, "/tmp/vireo-hostile.XXXXXX");
	fd = mkstemp(had.file);
	snprintf(had.link, sizeof(had.link), "link,path=%s.net", had.file);
	if (ftruncate(fd, 1 << 20))
		exit(2);
	close(fd);
}

int main(int argc, char **argv)
{
	static struct rig rig;
	char *args[] = { "--kernel",  NULL,   "--memory",  "16M",
			 "--console", "none", "--sandbox", NULL,
			 "--disk",    NULL,   "--net",	   had.link };
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (i = 0; i < NR_CALLS; i++)
			puts(calls[i].name);
		return 0;
	}
	for (i = 0; argc == 5 && i < NR_CALLS; i++)
		if (!strcmp(argv[2], calls[i].name))
			hostile = calls[i].fn;
	if (!hostile) {
		fprintf(stderr,
			"usage: hostile main|vcpu|io|net CALL PAYLOAD SANDBOX\n");
		return 2;
	}
	prepare();
	args[1] = argv[3];
	args[7] = argv[4];
	args[9] = had.file;
	if (!strcmp(argv[1], "main"))
		rig.in_main = in_loop;
	else if (!strcmp(argv[1], "io"))
		rig.in_io = in_loop;
	else if (!strcmp(argv[1], "net"))
		rig.in_net = in_loop;
	else
		rig.in_vcpu = in_vcpu;
	rig_run(&rig, 12, args, NULL);
	return 2; /* it never came to it */
}
