"""File transfer: SFTP, FTP and FTPS, S3 and what speaks its protocol, and folders of this machine."""
