// SPDX-License-Identifier: GPL-2.0-or-later
/* A VM of /dev/kvm (Documentation/virt/kvm/api.rst). */
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../error.h"

#define KVM_DEVICE "/dev/kvm"

/* Pages that KVM keeps for itself on Intel, below the BIOS flash window. */
#define IDENTITY_MAP_ADDR 0xfeffc000ULL
#define TSS_ADDR 0xfeffd000ULL

static int check_cap(struct kvm *kvm, long cap)
{
	int n = ioctl(kvm->dev_fd, KVM_CHECK_EXTENSION, cap);

	return n < 0 ? 0 : n;
}

static int open_device(struct kvm *kvm, struct error *err)
{
	const char *hint = "";
	int version;

	kvm->dev_fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (kvm->dev_fd < 0) {
		int errnum = errno;

		if (errnum == EACCES)
			hint = " (add yourself to group kvm)";
		else if (errnum == ENOENT || errnum == ENXIO ||
			 errnum == ENODEV)
			hint = " (load kvm_intel or kvm_amd, and switch "
			       "virtualization on in the firmware)";
		return error_set(err, errnum,
				 "cannot open " KVM_DEVICE ": %s%s",
				 strerror(errnum), hint);
	}
	version = ioctl(kvm->dev_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		close(kvm->dev_fd);
		return error_set(err, EPROTO,
				 KVM_DEVICE " speaks API version %d, not %d",
				 version, KVM_API_VERSION);
	}
	return 0;
}

static int need_caps(struct kvm *kvm, struct error *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
		{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
		{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
		{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
	};
	size_t i;

	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!check_cap(kvm, needed[i].cap))
			return error_set(err, EOPNOTSUPP,
					 "this host's KVM lacks %s",
					 needed[i].name);
	return 0;
}

static int create_chips(struct kvm *kvm, struct error *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = IDENTITY_MAP_ADDR;

	if (ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR) ||
	    ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return error_sys(err, errno, "cannot place KVM's own pages");
	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return error_sys(err, errno,
				 "cannot make interrupt controllers in KVM");
	if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit))
		return error_sys(err, errno, "cannot make a timer in KVM");
	return 0;
}

static int kvm_create(struct accel **out, struct bus *pio, struct bus *mmio,
		      struct error *err)
{
	struct kvm *kvm;
	int rc;

	kvm = calloc(1, sizeof(*kvm));
	if (!kvm)
		return error_sys(err, ENOMEM, "cannot make a KVM VM");
	kvm->accel.ops = &accel_kvm;
	kvm->pio = pio;
	kvm->mmio = mmio;
	pthread_mutex_init(&kvm->ring_lock, NULL);
	pthread_mutex_init(&kvm->route_lock, NULL);
	rc = kvm_routes_alloc(kvm);
	if (rc) {
		error_sys(err, -rc, "cannot make a KVM VM");
		goto err_free;
	}

	rc = open_device(kvm, err);
	if (rc)
		goto err_free;
	rc = need_caps(kvm, err);
	if (rc)
		goto err_dev;

	do
		kvm->vm_fd = ioctl(kvm->dev_fd, KVM_CREATE_VM, 0);
	while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0) {
		rc = error_sys(err, errno, "cannot make a KVM VM");
		goto err_dev;
	}
	rc = create_chips(kvm, err);
	if (rc)
		goto err_vm;

	kvm->run_size = (size_t)ioctl(kvm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm->ring_page = (unsigned int)check_cap(kvm, KVM_CAP_COALESCED_MMIO);
	kvm->coalesced_pio = check_cap(kvm, KVM_CAP_COALESCED_PIO);
	*out = &kvm->accel;
	return 0;

err_vm:
	close(kvm->vm_fd);
err_dev:
	close(kvm->dev_fd);
err_free:
	free(kvm->routes);
	pthread_mutex_destroy(&kvm->route_lock);
	pthread_mutex_destroy(&kvm->ring_lock);
	free(kvm);
	return rc;
}

static void kvm_destroy(struct accel *accel)
{
	struct kvm *kvm = to_kvm(accel);

	kvm_state_free(kvm);
	free(kvm->routes);
	close(kvm->vm_fd);
	close(kvm->dev_fd);
	pthread_mutex_destroy(&kvm->route_lock);
	pthread_mutex_destroy(&kvm->ring_lock);
	free(kvm);
}

static int kvm_get_vm_fd(struct accel *accel)
{
	return to_kvm(accel)->vm_fd;
}

static unsigned int kvm_max_vcpus(struct accel *accel)
{
	int n = check_cap(to_kvm(accel), KVM_CAP_MAX_VCPUS);

	if (!n)
		n = check_cap(to_kvm(accel), KVM_CAP_NR_VCPUS);
	return n > 0 ? (unsigned int)n : 4;
}

/*
 * Clearing by range is better: what is not asked for stays where it is, and
 * writable.
 */
static void ask_for_log(struct kvm *kvm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};

	if (kvm->log_asked)
		return;
	kvm->log_asked = true;
	kvm->log_clears = check_cap(kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
				  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE &&
			  !ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &cap);
}

static int kvm_set_memory(struct accel *accel, unsigned int slot, uint64_t gpa,
			  uint64_t len, void *hva, unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = (flags & ACCEL_MEM_READONLY ? KVM_MEM_READONLY : 0) |
			 (flags & ACCEL_MEM_LOG ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)hva,
	};

	if (flags & ACCEL_MEM_LOG)
		ask_for_log(to_kvm(accel));
	if (ioctl(to_kvm(accel)->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	return 0;
}

static int kvm_fetch_log(struct accel *accel, unsigned int slot, uint64_t first,
			 uint64_t count, uint64_t *bitmap)
{
	struct kvm *kvm = to_kvm(accel);
	struct kvm_dirty_log get = { .slot = slot, .dirty_bitmap = bitmap };
	struct kvm_clear_dirty_log clear = {
		.slot = slot,
		.num_pages = (uint32_t)count,
		.first_page = first,
		.dirty_bitmap = bitmap + first / 64,
	};

	if (ioctl(kvm->vm_fd, KVM_GET_DIRTY_LOG, &get))
		return -errno;
	if (!kvm->log_clears)
		return 0;
	return ioctl(kvm->vm_fd, KVM_CLEAR_DIRTY_LOG, &clear) ? -errno : 0;
}

static int kvm_stats_fd(struct accel *accel, struct accel_vcpu *vcpu)
{
	int fd = vcpu ? vcpu->fd : to_kvm(accel)->vm_fd;
	int stats = ioctl(fd, KVM_GET_STATS_FD, NULL);

	return stats < 0 ? -errno : stats;
}

static const struct vireo_vcpu_page *kvm_vcpu_counts(struct accel_vcpu *vcpu)
{
	return vcpu->fast.page;
}

static int kvm_ioeventfd(struct accel *accel, enum bus_kind bus, uint64_t addr,
			 unsigned int size, bool match, uint64_t data,
			 int eventfd, bool remove)
{
	struct kvm_ioeventfd ioev = {
		.datamatch = match ? data : 0,
		.addr = addr,
		.len = size,
		.fd = eventfd,
		.flags = (bus == BUS_PIO ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			 (remove ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0),
	};

	if (ioctl(to_kvm(accel)->vm_fd, KVM_IOEVENTFD, &ioev))
		return -errno;
	return 0;
}

static int kvm_coalesce(struct accel *accel, enum bus_kind bus, uint64_t addr,
			uint32_t len, bool remove)
{
	struct kvm *kvm = to_kvm(accel);
	struct kvm_coalesced_mmio_zone zone = {
		.addr = addr,
		.size = len,
		.pio = bus == BUS_PIO,
	};

	if (!kvm->ring_page || (bus == BUS_PIO && !kvm->coalesced_pio))
		return -EOPNOTSUPP;
	if (ioctl(kvm->vm_fd,
		  remove ? KVM_UNREGISTER_COALESCED_MMIO :
			   KVM_REGISTER_COALESCED_MMIO,
		  &zone))
		return -errno;
	return 0;
}

bool kvm_flush_coalesced(struct accel *accel)
{
	struct kvm *kvm = to_kvm(accel);
	struct kvm_coalesced_mmio_ring *ring = kvm->ring;
	const struct kvm_coalesced_mmio *e;
	uint32_t first, max;
	uint64_t val;
	bool found = false;

	if (!kvm_coalesced(kvm))
		return false;

	max = (4096 - sizeof(*ring)) / sizeof(ring->coalesced_mmio[0]);
	pthread_mutex_lock(&kvm->ring_lock);
	while ((first = ring->first) !=
	       __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		e = &ring->coalesced_mmio[first];
		val = 0;
		memcpy(&val, e->data, e->len < 8 ? e->len : 8);
		bus_write(e->pio ? kvm->pio : kvm->mmio,
			  &kvm->ring_hint[!!e->pio], e->phys_addr, e->len, val);
		/* Only now: who finds the ring empty knows it is delivered. */
		__atomic_store_n(&ring->first, (first + 1) % max,
				 __ATOMIC_RELEASE);
		found = true;
	}
	pthread_mutex_unlock(&kvm->ring_lock);
	return found;
}

const struct accel_ops accel_kvm = {
	.name = "kvm",
	.create = kvm_create,
	.destroy = kvm_destroy,
	.vm_fd = kvm_get_vm_fd,
	.max_vcpus = kvm_max_vcpus,
	.set_memory = kvm_set_memory,
	.fetch_log = kvm_fetch_log,
	.vcpu_create = kvm_vcpu_create,
	.vcpu_destroy = kvm_vcpu_destroy,
	.vcpu_reset = kvm_vcpu_reset,
	.run = kvm_vcpu_run,
	.kick = kvm_vcpu_kick,
	.unkick = kvm_vcpu_unkick,
	.vcpu_attach = kvm_vcpu_attach,
	.get_regs = kvm_get_regs,
	.set_regs = kvm_set_regs,
	.can_debug = kvm_can_debug,
	.set_debug = kvm_set_debug,
	.hit = kvm_hit,
	.describe_exit = kvm_describe_exit,
	.was_paused = kvm_was_paused,
	.reset = kvm_vm_reset,
	.vcpu_table = &kvm_vcpu_table,
	.vm_table = &kvm_vm_table,
	.clock = kvm_vm_clock,
	.stats_fd = kvm_stats_fd,
	.vcpu_counts = kvm_vcpu_counts,
	.irq_line = kvm_irq_line,
	.msi = kvm_msi,
	.msi_route = kvm_msi_route,
	.msi_unroute = kvm_msi_unroute,
	.irqfd = kvm_irqfd,
	.ioeventfd = kvm_ioeventfd,
	.coalesce = kvm_coalesce,
	.coalesce_flush = kvm_flush_coalesced,
};
