// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: minimal PAYLOAD [MODULE]
 *
 * Shows that each entry of the vCPUs' list is needed: machines whose list lacks
 * it come to grief, in at least one of four works that do well with all of the
 * list.  PAYLOAD is hello.elf, MODULE what --module is to be (auto).
 *
 * Prints a line for each entry, "ok", "not ok" or "skip" and why, and has exit
 * status 1 if there is one that nothing notices.
 */
#include <fcntl.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/seccomp.h>
#include <linux/serial_reg.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "accel/kvm.h"
#include "compile.h"
#include "device/pci.h"
#include "rig.h"
#include "sandbox/filters.h"
#include "sandbox/lists.h"
#include "status.h"
#include "terminal.h"
#include "virtio/pci.h"

#define MAX_CODE 256
#define UART 0x3f8
#define PM_TIMER 0x608
#define RING 0x400000 /* in guest memory */
#define LIMIT 20      /* seconds for a machine */

/* ---- filters of our own, in place of those that ship ------------------------- */

static struct sock_filter code[SANDBOX_NR_THREADS][MAX_CODE];

/* What is behind the end of a filter is never come to. */
const struct sandbox_filter sandbox_filters[] = {
	{ code[SANDBOX_MAIN], MAX_CODE },
	{ code[SANDBOX_VCPU], MAX_CODE },
	{ code[SANDBOX_IO], MAX_CODE },
};

const char sandbox_call_names[][SANDBOX_CALL_NAME_MAX] = { "" };
const unsigned int sandbox_nr_call_names = 0;

static int make_filter(enum sandbox_thread kind, int without)
{
	int len = sandbox_compile(sandbox_lists[kind], without, kind,
				  code[kind], MAX_CODE);

	if (len < 0) {
		fprintf(stderr, "minimal: filter: %s\n", strerror(-len));
		return -1;
	}
	for (; len < MAX_CODE; len++)
		code[kind][len] =
			(struct sock_filter){ BPF_RET | BPF_K, 0, 0,
					      SECCOMP_RET_KILL_PROCESS };
	return 0;
}

/* As on a host whose clock the vDSO cannot read. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

/* ---- what guests do, in a vCPU's thread ---------------------------------------- */

static struct vm *vm_of(struct accel_vcpu *vcpu)
{
	return &rig_of(vcpu)->vm;
}

static void out(struct accel_vcpu *vcpu, uint16_t port, unsigned int size,
		uint32_t val)
{
	bus_write(&vm_of(vcpu)->pio, &vcpu->pio_hint, port, size, val);
}

static uint32_t in(struct accel_vcpu *vcpu, uint16_t port, unsigned int size)
{
	return (uint32_t)bus_read(&vm_of(vcpu)->pio, &vcpu->pio_hint, port,
				  size);
}

static void store(struct accel_vcpu *vcpu, uint64_t addr, unsigned int size,
		  uint64_t val)
{
	bus_write(&vm_of(vcpu)->mmio, &vcpu->mmio_hint, addr, size, val);
}

static uint64_t load(struct accel_vcpu *vcpu, uint64_t addr, unsigned int size)
{
	return bus_read(&vm_of(vcpu)->mmio, &vcpu->mmio_hint, addr, size);
}

/* Of the virtio device in slot 1. */
static void config(struct accel_vcpu *vcpu, unsigned int reg, unsigned int size,
		   uint32_t val)
{
	out(vcpu, 0xcf8, 4, 0x80000800 | (reg & 0xfc));
	out(vcpu, (uint16_t)(0xcfc + (reg & 3)), size, val);
}

static uint32_t config_read(struct accel_vcpu *vcpu, unsigned int reg,
			    unsigned int size)
{
	out(vcpu, 0xcf8, 4, 0x80000800 | (reg & 0xfc));
	return in(vcpu, (uint16_t)(0xcfc + (reg & 3)), size);
}

static unsigned int find_cap(struct accel_vcpu *vcpu, unsigned int id,
			     unsigned int type)
{
	unsigned int at = config_read(vcpu, PCI_CAPABILITY_LIST, 1);

	while (at && (config_read(vcpu, at, 1) != id ||
		      (type && config_read(vcpu, at + 3, 1) != type)))
		at = config_read(vcpu, at + 1, 1);
	return at;
}

/* Interrupts by a line, coalesced registers, the clock. */
static void ports(struct accel_vcpu *vcpu)
{
	out(vcpu, UART + UART_MCR, 1, UART_MCR_OUT2);
	out(vcpu, UART + UART_IER, 1, UART_IER_THRI);
	out(vcpu, UART + UART_IER, 1, 0);
	out(vcpu, UART + UART_LCR, 1, UART_LCR_DLAB);
	out(vcpu, UART + UART_LCR, 1, UART_LCR_WLEN8);
	in(vcpu, PM_TIMER, 4);
}

static void place_bars(struct accel_vcpu *vcpu, uint32_t msix, uint32_t bar)
{
	config(vcpu, PCI_COMMAND, 2, 0);
	config(vcpu, PCI_BASE_ADDRESS_0 + 4 * VIRTIO_PCI_BAR_MSIX, 4, msix);
	config(vcpu, PCI_BASE_ADDRESS_0 + 4 * VIRTIO_PCI_BAR, 4, bar);
	config(vcpu, PCI_BASE_ADDRESS_0 + 4 * VIRTIO_PCI_BAR + 4, 4, 0);
	config(vcpu, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* A request that is there already when the device is told of its queue. */
static void ask_for_bytes(struct accel_vcpu *vcpu)
{
	uint8_t *ring = vm_of(vcpu)->mem.base + RING;
	struct vring_desc desc = { .addr = RING + 0x3000,
				   .len = 16,
				   .flags = VRING_DESC_F_WRITE };
	uint16_t avail[3] = { 0, 1, 0 };

	memset(ring, 0, 0x3000);
	memcpy(ring, &desc, sizeof(desc));
	memcpy(ring + 0x1000, avail, sizeof(avail));
}

/* A queue with its doorbell; its interrupt waits until it is unmasked. */
static void virtio(struct accel_vcpu *vcpu, uint64_t msix, uint64_t bar)
{
	const uint64_t common = bar + VIRTIO_PCI_COMMON;
	struct accel_ops *ops = &rig_of(vcpu)->ops;
	time_t end = time(NULL) + LIMIT;
	unsigned int i;

	config(vcpu, find_cap(vcpu, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2,
	       PCI_MSIX_FLAGS_ENABLE);
	store(vcpu, msix, 4, 0xfee00000);
	store(vcpu, msix + 8, 4, 0x30);
	ask_for_bytes(vcpu);
	for (i = 1; i <= 3; i = i << 1 | 1)
		store(vcpu, common + VIRTIO_PCI_COMMON_STATUS, 1, i);
	store(vcpu, common + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	store(vcpu, common + VIRTIO_PCI_COMMON_GF, 4, 1);
	store(vcpu, common + VIRTIO_PCI_COMMON_STATUS, 1, 11);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_DESCLO, 4, RING);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, RING + 0x1000);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_USEDLO, 4, RING + 0x2000);
	store(vcpu, common + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	store(vcpu, common + VIRTIO_PCI_COMMON_STATUS, 1, 15);
	store(vcpu, bar + VIRTIO_PCI_NOTIFY, 2, 0);
	/* Not by sleeping, which a vCPU may not. */
	while (!(load(vcpu, msix + 0x800, 8) & 1) && time(NULL) < end)
		__builtin_ia32_pause();
	store(vcpu, msix + 12, 4, 0);
	/* Masked again, and then as if the host had no more routes. */
	store(vcpu, msix + 12, 4, 1);
	load(vcpu, msix + 0x800, 8);
	ops->msi_route = NULL;
	store(vcpu, msix + 12, 4, 0);
	ops->msi_route = accel_kvm.msi_route;
	/* The doorbell goes and comes with its window. */
	config(vcpu, PCI_COMMAND, 2, 0);
	config(vcpu, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	store(vcpu, common + VIRTIO_PCI_COMMON_STATUS, 1, 0);
}

/* Reads of what changes with each: its page leaves the guest and comes back. */
static void window(struct accel_vcpu *vcpu)
{
	unsigned int cap =
		find_cap(vcpu, PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);

	config(vcpu, cap + 4, 1, VIRTIO_PCI_BAR);
	config(vcpu, cap + 12, 4, 4);
	config(vcpu, cap + 12, 4, 0);
}

/* A debug exception of the guest's while it is debugged. */
static void debugged(struct accel_vcpu *vcpu)
{
	static const struct cpu_debug none;

	vcpu->debug = &none;
	vcpu->step = true;
	vcpu->run->debug.arch = (struct kvm_debug_exit_arch){ .exception = 1 };
	kvm_debug_exit(vcpu);
	vcpu->debug = NULL;
	vcpu->step = false;
}

/* All that devices do; then a guest, to its end. */
static enum accel_exit devices(struct accel_vcpu *vcpu, struct error *err)
{
	const uint32_t msix = 0xd0100000, bar = 0xd0000000;
	enum accel_exit why;

	if (!vcpu->id && !vm_of(vcpu)->request) {
		ports(vcpu);
		place_bars(vcpu, msix + 0x200000, bar + 0x200000);
		place_bars(vcpu, msix, bar);
		virtio(vcpu, msix, bar);
		window(vcpu);
	}
	why = accel_kvm.run(vcpu, err);
	if (!vcpu->id && vm_of(vcpu)->request)
		debugged(vcpu);
	return why;
}

static enum accel_exit refused(struct accel_vcpu *vcpu, struct error *err)
{
	(void)vcpu;
	(void)err;
	syscall(SYS_getuid);
	return ACCEL_EXIT_KICKED;
}

static enum accel_exit aborts(struct accel_vcpu *vcpu, struct error *err)
{
	(void)vcpu;
	(void)err;
	abort();
}

/* Where there is nothing: KVM would have to emulate what it cannot fetch. */
static int lost_reset(struct accel_vcpu *vcpu, const struct cpu_entry *entry,
		      struct error *err)
{
	struct cpu_entry lost;

	if (!entry)
		return accel_kvm.vcpu_reset(vcpu, entry, err);
	lost = *entry;
	lost.rip = 0xd8000000;
	return accel_kvm.vcpu_reset(vcpu, &lost, err);
}

static void lose(struct rig *rig)
{
	rig->ops.vcpu_reset = lost_reset;
}

/* ---- machines ------------------------------------------------------------------ */

static const struct work {
	const char *name;
	enum accel_exit (*in_vcpu)(struct accel_vcpu *vcpu, struct error *err);
	void (*change)(struct rig *rig);
	bool raw;    /* with a raw terminal, which is itself again after it */
	int ends;    /* the exit status */
	int ends_by; /* or the signal */
} works[] = {
	{ "devices", devices, NULL, false, VM_REQ_SHUTDOWN, 0 },
	{ "refused", refused, NULL, true, STATUS_SIGNAL + SIGSYS, 0 },
	{ "abort", aborts, NULL, false, 0, SIGABRT },
	{ "lost", NULL, lose, false, VM_REQ_CRASH, 0 },
};

#define NR_WORKS (sizeof(works) / sizeof(works[0]))

struct options {
	char *payload;
	char *module;
};

static void be_machine(const struct work *work, const struct options *opt,
		       int terminal)
{
	static struct rig rig;
	char *args[] = { "--kernel", opt->payload, "--memory",	"16M",
			 "--cpus",   "2",	   "--console", "none",
			 "--rng",    "--module",   opt->module };

	if (work->raw)
		terminal_raw(terminal);
	rig.in_vcpu = work->in_vcpu;
	alarm(LIMIT);
	_exit(rig_run(&rig, 11, args, work->change));
}

/* Whether it does what it does with the whole list. */
static bool does_well(const struct work *work, const struct options *opt)
{
	struct termios before = { 0 }, after = { 0 };
	int master, slave, status;
	pid_t pid;

	if (openpty(&master, &slave, NULL, NULL, NULL))
		exit(2);
	tcgetattr(slave, &before);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!getenv("MINIMAL_TALKS"))
			dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		be_machine(work, opt, slave);
	}
	waitpid(pid, &status, 0);
	tcgetattr(slave, &after);
	close(master);
	close(slave);
	if (before.c_lflag != after.c_lflag || before.c_iflag != after.c_iflag)
		return false;
	if (work->ends_by)
		return WIFSIGNALED(status) && WTERMSIG(status) == work->ends_by;
	return WIFEXITED(status) && WEXITSTATUS(status) == work->ends;
}

/* What is only made use of in some places; NULL: here, too. */
static const char *why_unused(const char *call, int path)
{
	static const char *const by_module[] = {
		"ioctl VIREO_IO_ADD",
		"ioctl VIREO_IO_DEL",
		"ioctl VIREO_IO_ENABLE",
		"mmap",
		"munmap",
	};
	static const char *const without[] = {
		"ioctl KVM_REGISTER_COALESCED_MMIO",
		"ioctl KVM_UNREGISTER_COALESCED_MMIO",
	};
	size_t i;

	if (!strcmp(call, "ioctl VIREO_VCPU_RUN"))
		return path == VIREO_EXIT_PATH_RUN ? NULL :
						     "exit_path is not run";
	if (!strcmp(call, "ioctl KVM_RUN"))
		return path == VIREO_EXIT_PATH_RUN ? "exit_path is run" : NULL;
	for (i = 0; i < sizeof(by_module) / sizeof(by_module[0]); i++)
		if (!strcmp(call, by_module[i]) && path == VIREO_EXIT_PATH_OFF)
			return "no module that serves";
	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		if (!strcmp(call, without[i]) && path != VIREO_EXIT_PATH_OFF)
			return "the module serves in its place";
	return NULL;
}

static int exit_path(const struct options *opt)
{
	struct fastpath fp = { .vm_fd = -1 };
	struct accel *accel;
	struct bus *none = NULL;
	int path;

	if (!strcmp(opt->module, "off") ||
	    accel_kvm.create(&accel, none, none, NULL) ||
	    fastpath_open(&fp, accel->ops->vm_fd(accel), "minimal", 1,
			  opt->module, NULL))
		return VIREO_EXIT_PATH_OFF;
	path = fp.vm_fd < 0 ? VIREO_EXIT_PATH_OFF : (int)fp.exit_path;
	fastpath_close(&fp);
	accel->ops->destroy(accel);
	return path;
}

int main(int argc, char **argv)
{
	const struct sandbox_call *calls = sandbox_lists[SANDBOX_VCPU];
	bool usable[NR_WORKS];
	struct options opt;
	const char *why;
	int i, path, status = 0, bad = 0;
	size_t w;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: minimal PAYLOAD [MODULE]\n");
		return 2;
	}
	opt.payload = argv[1];
	opt.module = argc > 2 ? argv[2] : "auto";
	path = exit_path(&opt);
	if (make_filter(SANDBOX_MAIN, -1) || make_filter(SANDBOX_VCPU, -1) ||
	    make_filter(SANDBOX_IO, -1))
		return 2;
	for (w = 0; w < NR_WORKS; w++) {
		usable[w] = does_well(&works[w], &opt);
		if (!usable[w] && strcmp(works[w].name, "lost") != 0) {
			printf("not ok - with the whole list: %s\n",
			       works[w].name);
			bad = status = 1;
		}
	}
	for (i = 0; !bad && calls[i].name; i++) {
		why = why_unused(calls[i].name, path);
		if (!why && !usable[NR_WORKS - 1] &&
		    !strcmp(calls[i].name, "ioctl KVM_GET_REGS"))
			why = "this KVM does not fail where it should";
		if (why) {
			printf("skip - %s: %s\n", calls[i].name, why);
			continue;
		}
		if (make_filter(SANDBOX_VCPU, i))
			return 2;
		for (w = 0; w < NR_WORKS; w++)
			if (usable[w] && !does_well(&works[w], &opt))
				break;
		if (w < NR_WORKS) {
			printf("ok - %s: needed by %s\n", calls[i].name,
			       works[w].name);
		} else {
			printf("not ok - %s: nothing needs it\n",
			       calls[i].name);
			status = 1;
		}
	}
	return status;
}
