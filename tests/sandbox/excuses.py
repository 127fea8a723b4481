# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries of the lists that not every host needs, and why they are there."""

MODULE = "no module that serves"
DEVICE = "no block device here"
DIRECT = "no O_DIRECT here"
SERVED = "the module serves in its place"

VHOST = "no vhost-net here"
BACKEND = "no backend goes wrong here"

VHOST_CALLS = {f"ioctl VHOST_{name}": VHOST for name in (
    "SET_OWNER", "SET_FEATURES", "SET_MEM_TABLE", "SET_VRING_NUM",
    "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_CALL", "SET_VRING_KICK",
    "GET_VRING_BASE", "NET_SET_BACKEND", "VSOCK_SET_RUNNING")}

EXCUSES = {
    0: {
        "fstat": "this C library makes newfstatat of it",
        "getrandom": "random bytes come from a file",
        "madvise": "no huge pages of shared memory here",
        "io_submit": DIRECT,
        "io_destroy": DIRECT,
        "ioctl BLKGETSIZE64": DEVICE,
        "ioctl BLKSSZGET": DEVICE,
        "ioctl KVM_GET_XSAVE": "KVM_GET_XSAVE2 is in its place (Linux 5.17)",
        "ioctl KVM_GET_NESTED_STATE": "guests have no SVM here",
        "ioctl KVM_SET_NESTED_STATE": "guests have no SVM here",
        "ioctl KVM_REGISTER_COALESCED_MMIO": SERVED,
        "ioctl KVM_UNREGISTER_COALESCED_MMIO": SERVED,
        "ioctl VIREO_STATS": MODULE,
        "ioctl VIREO_IO_ADD": MODULE,
        "ioctl VIREO_IO_DEL": MODULE,
        "ioctl VIREO_IO_ENABLE": MODULE,
        "ioctl VIREO_DISK_SET": MODULE,
        "ioctl VIREO_QUEUE_ADD": MODULE,
        "ioctl VIREO_QUEUE_DEL": MODULE,
        "ioctl VIREO_QUEUE_STATE": MODULE,
        "ioctl VIREO_MEM_SNAPSHOT": MODULE,
        "ioctl VIREO_SNAPSHOT_STAT": MODULE,
        "shutdown": BACKEND,
        **VHOST_CALLS,
    },
    3: {
        "sendmsg": "no vhost-user card here",
        "shutdown": BACKEND,
        **VHOST_CALLS,
    },
    2: {
        "io_submit": DIRECT,
        "ioctl BLKDISCARD": DEVICE,
        "ioctl VIREO_QUEUE_ADD": MODULE,
        "ioctl VIREO_QUEUE_DEL": MODULE,
        "ioctl VIREO_QUEUE_STATE": MODULE,
        "mmap": "no request went through a large buffer",
        "munmap": "no request went through a large buffer",
        "poll": "no request was under way when its queue was stopped",
    },
}
